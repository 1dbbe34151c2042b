package main

// historyDir is within the state directory.
const historyDir = "history"
