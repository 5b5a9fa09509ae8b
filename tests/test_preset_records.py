"""
Records as systems have them, reduced to the facts of a lifecycle, are read by the name of a preset alone.
"""

import json
from dataclasses import replace
from io import BytesIO

import pytest

from runstate import Finding, Shape, check
from runstate.presets import PRESETS
from runstate.readers import read

POD = {"uid": "u1", "name": "a", "namespace": "ci"}


def condition(status, reason=None, of="Succeeded"):
    """
    Return the status of an object of Kubernetes with one condition.
    """
    return {
        "conditions": [{"type": of, "status": status, **({"reason": reason} if reason else {})}]
    }


def cloud(detail, kind, at="2026-03-01T10:00:00Z"):
    """
    Return an event of EventBridge.
    """
    return {"version": "0", "id": "e1", "detail-type": kind, "time": at, "detail": detail}


# For each preset: documents, each an object or a text, and what is read: id, status and attempt.
RECORDS = {
    "github-workflow-run": [
        ({"total_count": 2, "workflow_runs": [
            {"id": 5, "status": "queued", "conclusion": None, "run_attempt": 1,
             "updated_at": "2026-03-01T10:00:00Z"},
            {"id": 6, "status": "completed", "conclusion": "timed_out", "run_attempt": 2,
             "updated_at": "2026-03-01T10:00:01Z"}]},
         [("5", "queued", 1), ("6", "completed/timed_out", 2)]),
        ([{"databaseId": 5, "status": "completed", "conclusion": "success", "attempt": 1},
          {"databaseId": 6, "status": "pending", "conclusion": "", "attempt": 1}],
         [("5", "completed/success", 1), ("6", "pending", 1)]),
        ({"action": "in_progress", "workflow_run": {
            "id": 5, "status": "in_progress", "conclusion": None, "run_attempt": 3},
          "repository": {"id": 1}}, [("5", "in_progress", 3)]),
        ({"action": "requested", "workflow_run": {
            "id": 5, "status": "queued", "conclusion": None, "run_attempt": 2}},
         [("5", "queued", 2)]),
        # Pages, one after the other.
        ('{"workflow_runs": [{"id": 5, "status": "waiting"}]}\n{"workflow_runs": [{"id": 6, "status": "requested"}]}',
         [("5", "waiting", None), ("6", "requested", None)]),
    ],
    "github-workflow-job": [
        ({"total_count": 1, "jobs": [
            {"id": 9, "run_id": 5, "run_attempt": 2, "status": "completed", "conclusion": "skipped",
             "steps": [{"name": "x", "status": "queued", "number": 1}]}]},
         [("9", "completed/skipped", 2)]),
        ({"action": "waiting", "workflow_job": {
            "id": 9, "run_id": 5, "run_attempt": 1, "status": "waiting", "conclusion": None},
          "deployment": {"id": 7}}, [("9", "waiting", 1)]),
        ({"jobs": [{"databaseId": 9, "status": "completed", "conclusion": "failure", "name": "x"}]},
         [("9", "completed/failure", None)]),
        # GraphQL
        ([{"databaseId": 9, "status": "COMPLETED", "conclusion": "SUCCESS"}],
         [("9", "completed/success", None)]),
    ],
    "gitlab-job": [
        ({"object_kind": "build", "build_id": 3, "build_status": "running", "pipeline_id": 2},
         [("3", "running", None)]),
        ([{"id": 3, "status": "canceled", "pipeline": {"id": 2, "status": "success"}}],
         [("3", "canceled", None)]),
        ({"object_kind": "pipeline", "object_attributes": {"id": 2, "status": "running"},
          "builds": [{"id": 3, "stage": "test", "status": "skipped"}]}, [("3", "skipped", None)]),
    ],
    "gitlab-pipeline": [
        ({"object_kind": "pipeline", "object_attributes": {
            "id": 2, "status": "manual", "detailed_status": "blocked"},
          "builds": [{"id": 3, "status": "skipped"}]}, [("2", "manual", None)]),
        ([{"id": 2, "status": "success", "updated_at": "2026-03-01T10:00:00Z"}],
         [("2", "success", None)]),
    ],
    "buildkite-job": [
        ({"event": "job.finished", "job": {
            "id": "j", "type": "script", "state": "finished", "passed": True},
          "build": {"id": "b", "state": "running"}}, [("j", "passed", None)]),
        ({"event": "job.started", "job": {"id": "j", "state": "running", "exit_status": None}},
         [("j", "running", None)]),
        ({"id": "b", "number": 1, "jobs": [
            {"id": "j", "state": "finished", "passed": False}, {"id": "k", "state": "canceled"}]},
         [("j", "failed", None), ("k", "canceled", None)]),
        ([{"id": "j", "state": "FINISHED", "exit_status": 1}], [("j", "failed", None)]),
    ],
    "buildkite-build": [
        ({"event": "build.finished", "build": {"id": "b", "state": "passed", "blocked": True},
          "pipeline": {"id": "p"}}, [("b", "blocked", None)]),
        ([{"id": "b", "state": "failed", "blocked": False, "jobs": [{"id": "j"}]},
          {"id": "c", "state": "CANCELING"}], [("b", "failed", None), ("c", "canceling", None)]),
    ],
    "kubernetes-job": [
        ({"kind": "List", "items": [
            {"kind": "Job", "metadata": POD, "status": condition("True", of=of)}
            for of in ("Complete", "Failed", "FailureTarget", "SuccessCriteriaMet", "Suspended")]},
         [("u1", of, None)
          for of in ("Complete", "Failed", "FailureTarget", "SuccessCriteriaMet", "Suspended")]),
        # kubectl get -w -o json
        ('{"kind": "Job", "metadata": {"uid": "u1"}, "status": {"active": 1}}\n'
         '{"kind": "Job", "metadata": {"uid": "u1"}, "status": {"conditions":'
         ' [{"type": "Suspended", "status": "False"}, {"type": "Complete", "status": "True"}]}}',
         [("u1", "Running", None), ("u1", "Complete", None)]),
        ({"kind": "List", "items": [
            {"kind": "Event", "involvedObject": {"kind": "Job", "uid": "u1"},
             "reason": "BackoffLimitExceeded", "lastTimestamp": "2026-03-01T10:00:00Z"},
            {"kind": "Event", "involvedObject": {"kind": "Pod", "uid": "u2"}, "reason": "Pulled"}]},
         [("u1", "Failed", None)]),
        ({"uid": "u1", "status": "Running"}, [("u1", "Running", None)]),
    ],
    "kubernetes-pod": [
        ({"kind": "PodList", "items": [{"metadata": POD, "status": {"phase": "Running"}}]},
         [("u1", "Running", None)]),
        ({"type": "ADDED", "object": {"kind": "Pod", "metadata": POD, "status": {}}},
         [("u1", "Pending", None)]),
        ({"uid": "u1", "phase": "Failed"}, [("u1", "Failed", None)]),
        ("namespace,name,phase\nci,a,Running\n", [("ci/a", "Running", None)]),
    ],
    "argo-workflow": [
        ({"items": [{"metadata": POD, "status": {"phase": "Failed", "nodes": {}}}]},
         [("u1", "Failed", None)]),
        ({"kind": "Workflow", "metadata": POD, "status": {}}, [("u1", "Pending", None)]),
        ('time="2026-03-01T10:00:00Z" level=info msg="Updated phase Running -> Error" namespace=ci workflow=a\n',
         [("ci/a", "Error", None)]),
        ({"uid": "u1", "phase": "Running"}, [("u1", "Running", None)]),
    ],
    "argo-node": [
        ({"kind": "Workflow", "metadata": POD, "status": {"phase": "Running", "nodes": {
            "a-1": {"id": "a-1", "phase": "Omitted"}, "a-2": {"id": "a-2", "phase": ""}}}},
         [("a-1", "Omitted", None), ("a-2", "Pending", None)]),
        ('time="2026-03-01T10:00:00Z" msg="node changed" new.phase=Running nodeID=a-1 old.phase=Pending workflow=a\n',
         [("a/a-1", "Running", None)]),
        ({"id": "a-1", "phase": "Skipped"}, [("a-1", "Skipped", None)]),
        ('time="2026-03-01T10:00:00Z" level=info msg="Pod node a-1 initialized Pending" workflow=a\n'
         'time="2026-03-01T10:00:01Z" level=info msg="node a-1 phase Pending -> Running" workflow=a\n'
         'time="2026-03-01T10:00:02Z" level=info msg="Updating node a-1 status Running -> Failed" workflow=a\n'
         'time="2026-03-01T10:00:03Z" level=info msg="node a-1 finished: 10:00" workflow=a\n',
         [("a/a-1", "Pending", None), ("a/a-1", "Running", None), ("a/a-1", "Failed", None)]),
    ],
    "tekton-run": [
        ({"kind": "List", "items": [
            {"kind": "PipelineRun", "metadata": POD, "status": condition("True", "Completed")},
            {"kind": "TaskRun", "metadata": POD, "status": condition("False", "TaskRunTimeout")},
            {"kind": "TaskRun", "metadata": POD, "status": condition("False", "CouldntGetTask")},
            {"kind": "TaskRun", "metadata": POD}]},
         [("u1", "True/Completed", None), ("u1", "False/Timeout", None), ("u1", "False/Failed", None),
          ("u1", "Unknown/Pending", None)]),
        ({"specversion": "1.0", "type": "dev.tekton.event.pipelinerun.running.v1", "id": "e",
          "source": "s", "data": {"pipelineRun": {
              "kind": "PipelineRun", "metadata": POD, "status": condition("Unknown", "Running")}}},
         [("u1", "Unknown/Running", None)]),
        ({"uid": "u1", "status": "True", "reason": "Succeeded"}, [("u1", "True/Succeeded", None)]),
    ],
    "airflow-task-instance": [
        ({"total_entries": 2, "task_instances": [
            {"id": "x", "dag_id": "d", "dag_run_id": "r", "task_id": "t", "map_index": -1,
             "state": None, "try_number": 0, "start_date": None},
            {"id": "y", "dag_id": "d", "dag_run_id": "r", "task_id": "u", "map_index": -1,
             "state": "running", "try_number": 2}]},
         [("d/r/t/-1", "none", 0), ("d/r/u/-1", "running", 2)]),
        # airflow tasks states-for-dag-run -o json
        ([{"dag_id": "d", "logical_date": "2026-03-01", "task_id": "t", "state": "", "start_date": "",
           "end_date": ""}], [("d/2026-03-01/t", "none", None)]),
        ("id,task_id,dag_id,run_id,map_index,state,try_number\n"
         "1,t,d,r,-1,failed,1\n", [("d/r/t/-1", "failed", 1)]),
        ({"event_logs": [
            {"event_log_id": 1, "when": "2026-03-01T10:00:00Z", "dag_id": "d", "task_id": "t", "run_id": "r",
             "try_number": 1, "event": "success"},
            {"event_log_id": 2, "when": "2026-03-01T11:00:00Z", "dag_id": "d", "task_id": "t", "run_id": "r",
             "event": "clear"},
            {"event_log_id": 3, "when": "2026-03-01T11:00:00Z", "dag_id": "d", "event": "trigger"}]},
         [("d/r/t", "success", 1), ("d/r/t", "none", None)]),
        ('Id,Dag Id,Task Id,Event,Logical Date,Try Number\n'
         '1,d,t,success,2026-03-01,\n2,d,t,clear,2026-03-01,\n3,d,t,cli_task_run,,\n',
         [("d/2026-03-01/t", "success", None), ("d/2026-03-01/t", "none", None)]),
        ({"id": "x", "state": None}, [("x", "none", None)]),
    ],
    "airflow-dag-run": [
        ({"total_entries": 1, "dag_runs": [
            {"dag_id": "d", "dag_run_id": "r", "state": "queued", "start_date": None}]},
         [("d/r", "queued", None)]),
        ("id,dag_id,run_id,state,clear_number\n1,d,r,success,1\n", [("d/r", "success", 1)]),
        ({"id": 1, "state": "failed"}, [("1", "failed", None)]),
    ],
    "prefect-flow-run": [
        ([{"occurred": "2026-03-01T10:00:00Z", "event": f"prefect.{kind}-run.{name}", "id": "e",
           "resource": {"prefect.resource.id": f"prefect.{kind}-run.f", "prefect.state-type": of,
                        "prefect.state-timestamp": "2026-03-01T10:00:00Z"}, "related": []}
          for kind, name, of in [("flow", "Late", "SCHEDULED"), ("task", "Running", "RUNNING"),
                                 ("flow", "TimedOut", "FAILED")]],
         [("prefect.flow-run.f", "SCHEDULED", None), ("prefect.flow-run.f", "FAILED", None)]),
        ([{"id": "s", "type": "CRASHED", "name": "Crashed", "timestamp": "2026-03-01T10:00:00Z",
           "state_details": {"flow_run_id": "f"}}], [("f", "CRASHED", None)]),
        ([{"id": "f", "flow_id": "g", "state_type": "PAUSED",
           "state": {"type": "PAUSED", "timestamp": "2026-03-01T10:00:00Z"}}],
         [("f", "PAUSED", None)]),
        ("id,flow_run_id,type,name,timestamp\ns,f,CANCELLED,x,2026-03-01T10:00:00Z\n",
         [("f", "CANCELLED", None)]),
        ([{"id": "f", "state": {"type": "PENDING"}}, {"id": "f", "state_type": "RUNNING"}],
         [("f", "PENDING", None), ("f", "RUNNING", None)]),
    ],
    "dagster-run": [
        ({"data": {"runsOrError": {"results": [{"runId": "b", "status": "QUEUED"}]}}},
         [("b", "QUEUED", None)]),
        ({"data": {"logsForRun": {"events": [
            {"runId": "b", "eventType": "PIPELINE_START", "timestamp": "1788600002000"},
            {"runId": "b", "eventType": "STEP_START", "timestamp": "1788600003000"}]}}},
         [("b", "STARTED", None)]),
        ("id,run_id,dagster_event_type,timestamp\n1,b,RUN_CANCELED,2026-03-01 10:00:00\n2,b,,\n",
         [("b", "CANCELED", None)]),
        ("run_id,status,job_name\nb,SUCCESS,x\n", [("b", "SUCCESS", None)]),
    ],
    "temporal-workflow": [
        ([{"execution": {"workflowId": "w", "runId": "r"}, "status": "WORKFLOW_EXECUTION_STATUS_FAILED"}],
         [("r", "WORKFLOW_EXECUTION_STATUS_FAILED", None)]),
        ({"executionConfig": {}, "workflowExecutionInfo": {
            "execution": {"workflowId": "w", "runId": "r"}, "status": "Running"}},
         [("r", "WORKFLOW_EXECUTION_STATUS_RUNNING", None)]),
        ("RunId,Status,status\nr,,TimedOut\n", [("r", "WORKFLOW_EXECUTION_STATUS_TIMED_OUT", None)]),
        ("WorkflowId,RunId,Status\nw,r,Completed\n",
         [("r", "WORKFLOW_EXECUTION_STATUS_COMPLETED", None)]),
        # temporal workflow show
        ({"events": [
            {"eventId": "1", "eventTime": "2026-03-01T10:00:00Z",
             "eventType": "EVENT_TYPE_WORKFLOW_EXECUTION_STARTED",
             "workflowExecutionStartedEventAttributes": {"originalExecutionRunId": "r"}},
            {"eventId": "2", "eventType": "EVENT_TYPE_WORKFLOW_TASK_SCHEDULED"},
            {"eventId": "3", "eventTime": "2026-03-01T10:00:09Z",
             "eventType": "EVENT_TYPE_WORKFLOW_EXECUTION_FAILED"}]},
         [("r", "WORKFLOW_EXECUTION_STATUS_RUNNING", None),
          ("r", "WORKFLOW_EXECUTION_STATUS_FAILED", None)]),
        ("Progress:\n  ID          Time                     Type\n"
         "   1  2026-03-01T10:00:00Z  WorkflowExecutionStarted\n"
         "   2  2026-03-01T10:00:00Z  WorkflowTaskScheduled\n"
         "   3  2026-03-01T10:00:09Z  WorkflowExecutionTimedOut\n",
         [("<stdin>", "WORKFLOW_EXECUTION_STATUS_RUNNING", None),
          ("<stdin>", "WORKFLOW_EXECUTION_STATUS_TIMED_OUT", None)]),
    ],
    "aws-batch-job": [
        (cloud({"jobId": "j", "status": "STARTING", "attempts": []}, "Batch Job State Change"),
         [("j", "STARTING", None)]),
        ({"jobs": [{"jobId": "j", "status": "FAILED", "createdAt": 1788600002000}]},
         [("j", "FAILED", None)]),
        ({"jobSummaryList": [{"jobId": "j", "status": "PENDING"}]}, [("j", "PENDING", None)]),
    ],
    "aws-step-functions-execution": [
        (cloud({"executionArn": "arn:x", "status": "TIMED_OUT", "redriveCount": 0},
               "Step Functions Execution Status Change"), [("arn:x", "TIMED_OUT", 0)]),
        ({"executions": [{"executionArn": "arn:x", "status": "RUNNING", "redriveCount": 1}]},
         [("arn:x", "RUNNING", 1)]),
        ({"id": "1", "type": "ExecutionAborted", "execution_arn": "arn:x",
          "event_timestamp": "1788600002000"}, [("arn:x", "ABORTED", None)]),
        # aws stepfunctions get-execution-history
        ({"events": [
            {"timestamp": "2026-03-01T10:00:00Z", "type": "ExecutionStarted", "id": 1, "previousEventId": 0},
            {"timestamp": "2026-03-01T10:00:01Z", "type": "TaskStateEntered", "id": 2, "previousEventId": 1},
            {"timestamp": "2026-03-01T10:00:02Z", "type": "ExecutionFailed", "id": 3, "previousEventId": 2},
            {"timestamp": "2026-03-01T10:00:03Z", "type": "ExecutionRedriven", "id": 4, "previousEventId": 3,
             "executionRedrivenEventDetails": {"redriveCount": 1}}]},
         [("<stdin>:1", "RUNNING", 0), ("<stdin>:1", "FAILED", None), ("<stdin>:1", "RUNNING", 1)]),
    ],
    "databricks-run": [
        ({"runs": [{"run_id": 7, "end_time": 0, "state": {"life_cycle_state": "RUNNING"},
                    "tasks": [{"run_id": 8, "state": {"life_cycle_state": "PENDING"}}]},
                   {"run_id": 9, "state": {"life_cycle_state": "TERMINATED", "result_state": "TIMEDOUT"}},
                   {"run_id": 10, "state": {
                       "life_cycle_state": "INTERNAL_ERROR", "result_state": "FAILED"}}]},
         [("7", "RUNNING", None), ("9", "TERMINATED/TIMEDOUT", None), ("10", "INTERNAL_ERROR", None)]),
        ({"run_id": 7, "status": {
            "state": "TERMINATED", "termination_details": {"code": "USER_CANCELED"}}},
         [("7", "TERMINATED/CANCELED", None)]),
        ("run_id,life_cycle_state,result_state\n7,SKIPPED,\n", [("7", "SKIPPED", None)]),
    ],
    "slurm-job": [
        # A base state and its flags.
        ({"jobs": [{"job_id": 41, "job_state": ["CANCELLED", "COMPLETING"], "restart_cnt": 0},
                   {"job_id": 42, "job_state": ["RUNNING", "EXPEDITING"], "restart_cnt": 0}]},
         [("41", "COMPLETING", 0), ("42", "RUNNING", 0)]),
        ("JobID|State|End|Restarts\n41|REQUEUED|Unknown|0\n41.batch|CANCELLED by 1001|Unknown|0\n",
         [("41", "REQUEUED", 0), ("41.batch", "CANCELLED", 0)]),
        ({"jobs": [{"job_id": 41, "state": {"current": ["OUT_OF_MEMORY"]}, "restart_cnt": 1}]},
         [("41", "OUT_OF_MEMORY", 1)]),
        ({"jobs": [{"job_id": 41, "job_state": ["RUNNING"], "restart_cnt": 0}]},
         [("41", "RUNNING", 0)]),
        ("JOBID,ST\n41,CG\n", [("41", "COMPLETING", None)]),
        ("JOBID,STATE\n41,SUSPENDED\n", [("41", "SUSPENDED", None)]),
        ("JobId=41 JobName=x JobState=PENDING Restarts=2\n", [("41", "PENDING", 2)]),
        ({"job_id": 41, "state": "TIMEOUT"}, [("41", "TIMEOUT", None)]),
    ],
    "celery": [
        # What "celery events --dump" prints.
        ("-> evdump: starting capture...\n"
         "celery@w [2026-03-01 10:00:00+00:00] worker heartbeat: active=0, freq=2.0\n"
         "celery@w [2026-03-01 10:00:01+00:00] task received: a.b(t) args=(2, 2) kwargs={} eta=None\n"
         "celery@w [2026-03-01 10:00:02+00:00] task rejected: a.b(t) args=(2, 2) kwargs={} requeue=True\n"
         "celery@w [2026-03-01 10:00:03+00:00] task revoked: a.b(t) args=(2, 2) kwargs={} expired=True\n",
         [("t", "RECEIVED", None), ("t", "REJECTED", None), ("t", "REVOKED", None)]),
        ("id,task_id,status,date_done\n1,t,SUCCESS,2026-03-01 10:00:00\n", [("t", "SUCCESS", None)]),
        ([{"type": "task-retried", "uuid": "t", "timestamp": 1788600002.5},
          {"type": "worker-heartbeat", "hostname": "w"}], [("t", "RETRY", None)]),
        ({"t": {"uuid": "t", "state": "STARTED"}, "u": {"uuid": "u", "state": "FAILURE"}},
         [("t", "STARTED", None), ("u", "FAILURE", None)]),
        ({"task_id": "t", "state": "REVOKED"}, [("t", "REVOKED", None)]),
        # What a worker logs, with the traceback of a task that fails.
        ("[2026-03-01 10:00:00,100: INFO/MainProcess] Received task: app.work[t]  \n"
         "[2026-03-01 10:00:01,100: INFO/ForkPoolWorker-1] Task app.work[t] retry: Retry in 3s\n"
         "[2026-03-01 10:00:04,100: ERROR/ForkPoolWorker-1] Task app.work[t] raised unexpected: E('in x')\n"
         "Traceback (most recent call last):\n  File \"x.py\", line 1\nE: in x\n"
         "[2026-03-01 10:00:05,100: INFO/ForkPoolWorker-2] Task app.work[u] succeeded in 1.0s: None\n",
         [("t", "RECEIVED", None), ("t", "RETRY", None), ("t", "FAILURE", None), ("u", "SUCCESS", None)]),
    ],
    "sidekiq-job": [
        ({"ts": "2026-03-01T10:00:00Z", "lvl": "INFO", "msg": "start", "ctx": {"jid": "j", "class": "A"}},
         [("j", "busy", None)]),
        ([{"jid": "j", "msg": "fail"}, {"pid": 1, "msg": "Booted"}], [("j", "retry", None)]),
        ([{"jid": "j", "status": "working"}], [("j", "busy", None)]),
        ("2026-03-01T10:00:00.000Z pid=1 tid=abc INFO: Booted Rails\n"
         "2026-03-01T10:00:01.000Z pid=1 tid=abc class=Hard jid=j INFO: start\n"
         "2026-03-01T10:00:02.000Z pid=1 tid=abc class=Hard jid=j elapsed=1.0 INFO: done\n",
         [("j", "busy", None), ("j", "complete", None)]),
        ("2026-03-01T10:00:01.000Z 12 TID-abc Hard JID-j INFO: start\n"
         "2026-03-01T10:00:02.000Z 12 TID-abc Hard JID-j INFO: fail: 1.0 sec\n",
         [("j", "busy", None), ("j", "retry", None)]),
        ([{"jid": "j", "state": "dead"}], [("j", "dead", None)]),
    ],
    "bullmq-job": [
        ([{"event": "added", "jobId": "1", "name": "x"}, {"event": "waiting", "jobId": "1"},
          {"event": "failed", "jobId": "1", "failedReason": "x", "prev": "active"}, {"event": "drained"}],
         [("1", "waiting", None), ("1", "failed", None)]),
        ([{"id": "1", "state": "wait"}], [("1", "waiting", None)]),
        ([{"id": "1", "status": "prioritized"}], [("1", "prioritized", None)]),
    ],
    "oban-job": [
        ({"source": "oban", "event": "job:exception", "id": 4, "attempt": 2, "state": "failure"},
         [("4", "retryable", 2)]),
        ("id,state,attempt\n4,executing,1\n5,available,1\n",
         [("4", "executing", 1), ("5", "available", 1)]),
    ],
    "river-job": [
        ({"Kind": "job_failed", "Job": {"ID": 4, "State": "retryable"}}, [("4", "retryable", None)]),
        ({"kind": "job_completed", "job": {"id": 4, "state": "completed"}}, [("4", "completed", None)]),
        ("id,state,attempt\n4,discarded,25\n5,scheduled,3\n",
         [("4", "discarded", 25), ("5", "scheduled", 3)]),
    ],
    "mcp-task": [
        ({"jsonrpc": "2.0", "id": 1, "result": {"task": {"taskId": "t", "status": "working"}}},
         [("t", "working", None)]),
        ({"jsonrpc": "2.0", "method": "notifications/tasks/status", "params": {
            "taskId": "t", "status": "input_required", "lastUpdatedAt": "2026-03-01T10:00:00Z"}},
         [("t", "input_required", None)]),
        ({"jsonrpc": "2.0", "id": 1, "result": {"tasks": [{"taskId": "t", "status": "failed"}]}},
         [("t", "failed", None)]),
        ("task_id,status\nt,working\n", [("t", "working", None)]),
    ],
    "a2a-task": [
        ('data: {"jsonrpc": "2.0", "id": "r", "result": {"kind": "task", "id": "t", "status":'
         ' {"state": "submitted"}}}\n\n'
         'data: {"jsonrpc": "2.0", "id": "r", "result": {"kind": "artifact-update", "taskId": "t"}}\n\n'
         'data: {"jsonrpc": "2.0", "id": "r", "result": {"kind": "status-update", "taskId": "t",'
         ' "status": {"state": "input-required"}}}\n\n',
         [("t", "TASK_STATE_SUBMITTED", None), ("t", "TASK_STATE_INPUT_REQUIRED", None)]),
        ({"statusUpdate": {"taskId": "t", "status": {"state": "TASK_STATE_REJECTED"}}},
         [("t", "TASK_STATE_REJECTED", None)]),
        ({"tasks": [{"id": "t", "status": {"state": "TASK_STATE_WORKING"}}]},
         [("t", "TASK_STATE_WORKING", None)]),
        ({"id": "t", "state": "completed"}, [("t", "TASK_STATE_COMPLETED", None)]),
    ],
    "openai-response": [
        ('event: response.queued\ndata: {"type": "response.queued", "response": {"id": "r", "object":'
         ' "response", "status": "queued"}}\n\n'
         'event: response.output_item.added\ndata: {"type": "response.output_item.added", "item":'
         ' {"id": "m", "type": "message", "status": "in_progress"}}\n\n',
         [("r", "queued", None)]),
        ({"object": "list", "data": [{"id": "r", "object": "response", "status": "incomplete",
                                      "output": [{"id": "m", "status": "completed"}]}]},
         [("r", "incomplete", None)]),
        ({"id": "r", "status": "failed"}, [("r", "failed", None)]),
        ({"id": "evt_1", "object": "event", "created_at": 1_740_823_200, "type": "response.incomplete",
          "data": {"id": "r"}}, [("r", "incomplete", None)]),
    ],
    "langgraph-run": [
        ([{"run_id": "r", "thread_id": "t", "status": "interrupted"}], [("r", "interrupted", None)]),
    ],
    "openlineage-run": [
        ({"eventType": "START", "eventTime": "2026-03-01T10:00:00Z", "run": {"runId": "r"}},
         [("r", "START", None)]),
        ({"runId": "r", "eventType": "complete"}, [("r", "COMPLETE", None)]),
        ("run_id,event_type,event_time\nr,FAIL,2026-03-01T10:00:00Z\n", [("r", "FAIL", None)]),
    ],
    "cdevents-pipelinerun": [
        ({"context": {"type": "dev.cdevents.pipelinerun.started.1.0.0"}, "subject": {
            "id": "p", "type": "pipelineRun", "content": {}}}, [("p", "started", None)]),
        ({"context": {"type": "dev.cdevents.pipelinerun.finished.0.2.0"}, "subject": {
            "id": "p", "type": "pipelineRun", "content": {"outcome": "error"}}}, [("p", "error", None)]),
        ([{"context": {"type": f"dev.cdevents.pipelinerun.{predicate}.0.3.0"}, "subject": {
            "id": "p", "content": content}} for predicate, content in
          (("queued", {}), ("started", {}), ("finished", {"outcome": "success"}))],
         [("p", "queued", None), ("p", "started", None), ("p", "success", None)]),
        ({"id": "p", "status": "queued"}, [("p", "queued", None)]),
    ],
    "azure-run": [
        ({"object": "list", "data": [
            {"id": "run_1", "object": "thread.run", "status": "requires_action"}]},
         [("run_1", "requires_action", None)]),
    ],
    "azure-run-dotnet": [
        ([{"Id": "run_1", "Status": "InProgress"}], [("run_1", "in_progress", None)]),
        ([{"id": "run_1", "object": "thread.run", "status": "queued"}], [("run_1", "queued", None)]),
        ([{"run_id": "run_1", "status": "incomplete"}], [("run_1", "incomplete", None)]),
    ],
}  # fmt: skip

EACH = pytest.mark.parametrize(
    ("preset", "document", "expected"),
    [(PRESETS[name], *record) for name, records in RECORDS.items() for record in records],
    ids=[f"{name}-{n}" for name, records in RECORDS.items() for n, _ in enumerate(records, 1)],
)


BOTH_ENDS = {"kind": "Job", "metadata": POD, "status": {"conditions": [
    {"type": "Complete", "status": "True"}, {"type": "Failed", "status": "True"}]}}  # fmt: skip
# For each preset: documents that contradict themselves, and the status that no lifecycle has.
CONTRADICTIONS = {"kubernetes-job": [(BOTH_ENDS, "Complete/Failed")]}


def seen_in(document, preset):
    """
    Return what is read of *document* by *preset* alone: findings, and observations.
    """
    text = document if isinstance(document, str) else json.dumps(document)
    found = list(read(BytesIO(text.encode()), lifecycle=preset))
    observations = [each for each in found if not isinstance(each, Finding)]

    return [each for each in found if isinstance(each, Finding)], observations


def read_by(document, preset):
    """
    Return what is read, and whether attempts may be those before.
    """
    return seen_in(document, preset), [type(each.attempt) for each in seen_in(document, preset)[1]]


@EACH
def test_records_are_read_under_their_own_names(preset, document, expected):
    """
    Id, status and attempt are found where the system has them; records about something else are passed over.
    """
    findings, observations = seen_in(document, preset)

    assert [] == findings
    assert expected == [(each.run_id, each.status, each.attempt) for each in observations]
    assert {each.status for each in observations} <= preset.known


@EACH
def test_a_record_alone_is_legal(preset, document, expected):
    """
    No record of these breaks a rule about its fields.
    """
    _, observations = seen_in(document, preset)

    for each in observations:
        assert () == check([each], preset, observed="polled").findings


KINDS = sorted(name for name, preset in PRESETS.items() if preset.kind is not None)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("shaped", [False, True])
def test_objects_of_another_kind_are_passed_over_with_shapes_and_without(name, shaped):
    """
    What says that it is something else has the statuses of something else.
    """
    preset = PRESETS[name]
    if shaped:
        preset = replace(preset, shapes=(*preset.shapes, Shape(id=("id",), status=("status",))))
    status = str(preset.initial)
    mine, unsaid = (
        {"id": "a", "object": preset.kind, "status": status},
        {"id": "b", "status": status},
    )
    other = {"id": "c", "object": f"{preset.kind}.other", "status": "unheard_of"}
    findings, observations = seen_in([mine, unsaid, other], preset)

    assert [] == findings
    assert [("a", status), ("b", status)] == [(each.run_id, each.status) for each in observations]


@pytest.mark.parametrize("name", KINDS)
def test_a_webhook_of_openai_tells_the_end_of_an_object(name):
    """
    Its type is the kind and the status: https://developers.openai.com/api/docs/guides/webhooks.
    """
    preset = PRESETS[name]
    end = min(preset.terminal)
    event = {"object": "event", "id": "evt_1", "created_at": 1_750_287_018, "data": {"id": "a"}}
    told = [{**event, "type": f"{preset.kind}.{each}"} for each in (end, "heard")]
    findings, observations = seen_in([*told, {**event, "type": f"other.{end}"}], preset)

    assert [] == findings
    assert [("a", end, 1_750_287_018)] == [(o.run_id, o.status, o.at) for o in observations]
    # It may be delivered twice, and nothing tells of the beginning.
    assert () == check(observations * 2, preset).findings


@EACH
def test_an_envelope_may_have_an_id_and_a_status_of_its_own(preset, document, expected):
    """
    What carries a record, such as a delivery of a webhook, is not what the record is about.
    """
    if not isinstance(document, dict) or "event" in document or not preset.shapes:
        return
    delivery = {
        "id": 5,
        "guid": "g",
        "status": "OK",
        "state": "OK",
        "request": {"payload": document},
    }
    of_delivery, alone = (seen_in(each, preset) for each in (delivery, document))

    assert alone == of_delivery, expected


@pytest.mark.parametrize("name", sorted({*PRESETS} - {"celery-strict"}))
def test_every_shape_of_a_preset_reads_a_record(name):
    """
    Without any one shape, some record of its system is read differently: none of them is idle.
    """
    preset = PRESETS[name]
    if name not in RECORDS:
        # What a variant has is what its base has.
        bases = {tuple(shape.id for shape in PRESETS[base].shapes) for base in RECORDS}
        assert not preset.shapes or tuple(shape.id for shape in preset.shapes) in bases
        return
    for shape in preset.shapes:
        rest = replace(preset, shapes=tuple(other for other in preset.shapes if other != shape))
        if rest.shapes:
            assert any(
                read_by(document, preset) != read_by(document, rest)
                for document, _ in (*RECORDS[name], *CONTRADICTIONS.get(name, ()))
            ), shape


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_a_record_that_contradicts_itself_is_found(name):
    """
    A record of two ends has neither, whichever of them was seen before.
    """
    for document, status in CONTRADICTIONS[name]:
        _, observations = seen_in(document, PRESETS[name])
        found = check(observations, PRESETS[name]).findings

        assert [("RS101", status)] == [(each.code, each.target) for each in found]


def test_every_system_of_the_field_has_its_records():
    """
    A preset with shapes of its own has records here.
    """
    own = {name for name, preset in PRESETS.items() if preset.shapes and name in RECORDS}

    assert set() == {
        name for name, preset in PRESETS.items() if preset.shapes and "-strict" not in name
    } - own - {"a2a-task-0.3", "airflow-task-instance-3.0"}


def test_events_of_openlineage_are_read_by_their_time():
    """
    Marquez lists the newest first.
    """
    events = [
        {"eventType": kind, "eventTime": f"2026-09-01T10:0{minute}:00Z", "run": {"runId": "r"}}
        for minute, kind in ((5, "COMPLETE"), (1, "RUNNING"), (0, "START"))
    ]
    listed = json.dumps({"events": events}).encode()
    for name in ("openlineage-run", "openlineage-run-strict"):
        report = check(read(BytesIO(listed), lifecycle=PRESETS[name]), PRESETS[name])
        assert {"RS108"} == {finding.code for finding in report.findings}


def test_the_log_of_an_oban_job_that_is_tried_again_has_no_fault():
    """
    Oban logs when a worker starts and stops a job, and not that it is made available in between.
    """
    events = [
        ("job:start", None, 1), ("job:exception", "failure", 1), ("job:start", None, 2),
        ("job:stop", "snoozed", 2), ("job:start", None, 3), ("job:stop", "success", 3),
    ]  # fmt: skip
    log = "".join(
        json.dumps({"source": "oban", "event": event, "id": 4, "attempt": attempt, "state": state})
        + "\n"
        for event, state, attempt in events
    )
    lifecycle = PRESETS["oban-job"]

    assert check(read(BytesIO(log.encode()), lifecycle=lifecycle), lifecycle).findings == ()


@pytest.mark.parametrize("error", [{}, {"code": None, "message": None, "param": None}, None])
def test_an_empty_error_is_none(error):
    """
    OpenAI sends an object with nothing in it for a job that is well.
    """
    job = {"object": "fine_tuning.job", "id": "j", "status": "succeeded", "error": error}
    lifecycle = PRESETS["openai-fine-tuning-job"]

    assert (
        ()
        == check(read(BytesIO(json.dumps(job).encode()), lifecycle=lifecycle), lifecycle).findings
    )
