# SPDX-License-Identifier: GPL-3.0-or-later
#
# This file imports Ansible, whose licence is the GNU General Public License,
# version 3 or later; so this file is under that licence too. It is a program of
# its own that Ansible runs; Berth carries it as data.
"""Writes what happens in a run as JSON lines to the path in BERTH_EVENTS."""

import json
import os

from ansible.playbook.block import Block
from ansible.playbook.handler import Handler
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
    name: berth_events
    type: notification
    short_description: tells Berth what happens in a run
    description: Writes one JSON object a line to the path in BERTH_EVENTS.
"""

# Of texts, in characters. What is longer is cut here and marked as such: its end
# may be the beginning of a secret.
TEXT = 8000
DIFF = 32000
ITEMS = 100


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "berth_events"

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        path = os.environ.get("BERTH_EVENTS")
        self.disabled = not path
        if path:
            self.out = open(path, "w", encoding="utf-8", errors="replace")

    def _tell(self, event, **more):
        more["event"] = event
        self.out.write(json.dumps({k: v for k, v in more.items() if v}, default=str) + "\n")
        self.out.flush()

    # Ansible gives results whose task says no_log without what it hides.
    def _message(self, res):
        if res.get("censored"):
            return str(res["censored"])
        text = [str(res.get("msg") or res.get("reason") or res.get("skip_reason") or "")]
        for key in ("stderr", "module_stderr", "stdout", "module_stdout"):
            # Over a terminal ssh itself speaks last, and what the program says is all stdout.
            lines = [line for line in str(res.get(key) or "").strip().splitlines() if not parting(line)]
            if lines:
                text.append(lines[-1])
                break
        return ": ".join(t for t in text if t)

    def _difference(self, res):
        if res.get("censored") or not res.get("diff"):
            return ""
        diffs = res["diff"] if isinstance(res["diff"], list) else [res["diff"]]
        return self._get_diff([d for d in diffs if isinstance(d, dict)])

    def _result(self, event, result, ignored=False):
        task, res = result._task, result._result
        items = [r for r in res.get("results") or [] if isinstance(r, dict)] if task.loop or task.loop_with else []
        # The first item that went wrong says more than "one or more items failed".
        wrong = next((r for r in items if r.get("failed")), res) if event == "failed" else res
        msg = self._message(wrong) if event in ("failed", "unreachable", "skipped") else ""
        diff = self._difference(res) or "".join(self._difference(r) for r in items)
        self._tell(
            event,
            host=result._host.get_name(),
            task=task.get_name(),
            path=task.get_path() or "",
            msg=msg[:TEXT],
            msgcut=len(msg) > TEXT,
            diff=diff[:DIFF],
            diffcut=len(diff) > DIFF,
            ignored=bool(ignored),
            handler=isinstance(task, Handler),
            rescuable=event == "failed" and rescuable(task),
            unchecked=any(unchecked(r) for r in items) or event == "skipped" and unchecked(res, True),
            items=[
                {"item": str(self._get_item_label(r))[:200], "status": status(r), "msg": self._message(r)[:500] if r.get("failed") else ""}
                for r in items[:ITEMS]
            ],
            more=max(0, len(items) - ITEMS),
        )

    def v2_playbook_on_play_start(self, play):
        self._tell("play", name=play.get_name())

    def v2_playbook_on_task_start(self, task, is_conditional):
        self._tell("task", name=task.get_name())

    def v2_playbook_on_handler_task_start(self, task):
        self._tell("task", name=task.get_name())

    def v2_runner_on_start(self, host, task):
        self._tell("start", host=host.get_name(), task=task.get_name(), path=task.get_path() or "")

    def v2_runner_on_ok(self, result):
        self._result("changed" if result._result.get("changed") else "ok", result)

    def v2_runner_on_skipped(self, result):
        self._result("skipped", result)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._result("failed", result, ignore_errors)

    def v2_runner_on_unreachable(self, result):
        self._result("unreachable", result, result._task.ignore_unreachable)

    def v2_playbook_on_stats(self, stats):
        for host in sorted(stats.processed):
            self._tell("host", host=host, **stats.summarize(host))
        self._tell("stats")


def parting(line):
    """Whether a line says no more than that ssh's connection has ended."""
    return not line.strip() or line.startswith("Shared connection to ") and line.rstrip().endswith(" closed.")


def status(res):
    for word in ("failed", "skipped", "changed"):
        if res.get(word):
            return word
    return "ok"


def unchecked(res, skipped=False):
    """Whether a task was skipped since it can't run in check mode."""
    return bool((skipped or res.get("skipped")) and "check mode" in str(res.get("msg") or "").lower())


def rescuable(task):
    """Whether a failure of task is one that a rescue makes good."""
    child, parent = task, getattr(task, "_parent", None)
    while parent is not None:
        if isinstance(parent, Block) and parent.rescue and any(t._uuid == child._uuid for t in parent.block):
            return True
        child, parent = parent, getattr(parent, "_parent", None)
    return False
