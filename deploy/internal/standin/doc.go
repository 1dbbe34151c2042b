// Package standin makes machines for end-to-end tests: a network namespace that
// stands for a node, and hosts on its bridge that real SSH and real Ansible can
// log in to. A host is sshd on the test machine's own Debian, seen through an
// overlay, so it takes no image and half a second to start, and nothing that is
// written inside it reaches the test machine.
//
// It needs Linux, root and BERTH_REAL=1. Without BERTH_REAL=1 a test that asks
// for it is skipped; with it, a part that is missing fails the test.
package standin
