# SPDX-License-Identifier: GPL-3.0-or-later
#
# This file imports Ansible, whose licence is the GNU General Public License,
# version 3 or later; so this file is under that licence too. It is a program of
# its own that Ansible runs; Berth carries it as data.
"""Writes what happens in a run as JSON lines to the path in BERTH_EVENTS."""

import json
import os

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
    name: berth_events
    type: notification
    short_description: tells Berth what happens in a run
    description: Writes one JSON object a line to the path in BERTH_EVENTS.
"""

LIMIT = 2000  # of a text, in characters


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
        self.out.write(json.dumps(dict(more, event=event)) + "\n")
        self.out.flush()

    # Ansible gives results whose task says no_log without what it hides.
    def _trouble(self, event, result, ignored):
        task, res = result._task, result._result
        res = next((r for r in res.get("results", []) if isinstance(r, dict) and r.get("failed")), res)
        text = [str(res.get("censored") or res.get("msg") or "")]
        lines = str(res.get("stderr") or res.get("module_stderr") or "").strip().splitlines()
        if lines and not res.get("censored"):
            text.append(lines[-1])
        self._tell(
            event,
            host=result._host.get_name(),
            task=task.get_name(),
            path=task.get_path() or "",
            msg=": ".join(t for t in text if t)[:LIMIT],
            ignored=bool(ignored),
        )

    def v2_playbook_on_play_start(self, play):
        self._tell("play", name=play.get_name())

    def v2_playbook_on_task_start(self, task, is_conditional):
        self._tell("task", name=task.get_name())

    def v2_playbook_on_handler_task_start(self, task):
        self._tell("task", name=task.get_name())

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._trouble("failed", result, ignore_errors)

    def v2_runner_on_unreachable(self, result):
        self._trouble("unreachable", result, result._task.ignore_unreachable)

    def v2_playbook_on_stats(self, stats):
        for host in sorted(stats.processed):
            self._tell("host", host=host, **stats.summarize(host))
        self._tell("stats")
