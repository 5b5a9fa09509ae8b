BEGIN TRANSACTION;
CREATE TABLE runstate_counts (
    status TEXT NOT NULL,
    runs BIGINT NOT NULL,
    PRIMARY KEY (status)
);
INSERT INTO "runstate_counts" VALUES('completed',1);
INSERT INTO "runstate_counts" VALUES('queued',3);
CREATE TABLE runstate_journal (
    position INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    run_id TEXT NOT NULL,
    seq BIGINT,
    kind TEXT NOT NULL,
    "trigger" TEXT,
    source TEXT,
    target TEXT,
    at DOUBLE NOT NULL,
    duration_s DOUBLE,
    clock_regressed BOOLEAN NOT NULL,
    payload TEXT,
    "key" TEXT,
    token BIGINT,
    actor TEXT,
    reason TEXT
);
INSERT INTO "runstate_journal" VALUES(1,'waits',1,'move','create',NULL,'queued',1.79582746366099572183e+09,NULL,0,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "runstate_journal" VALUES(2,'works',1,'move','create',NULL,'queued',1.79582746366501903529e+09,NULL,0,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "runstate_journal" VALUES(3,'done',1,'move','create',NULL,'queued',1.79582746366900205614e+09,NULL,0,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "runstate_journal" VALUES(4,'gone',1,'move','create',NULL,'queued',1.79582746367298507687e+09,NULL,0,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "runstate_journal" VALUES(5,'done',2,'move','start','queued','in_progress',1.79582746367399096482e+09,4.9889087677001953125e-03,0,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "runstate_journal" VALUES(6,'done',3,'move','complete','in_progress','completed',1.79582746368099164958e+09,0.00700068473815918,0,NULL,'k1',NULL,NULL,NULL);
INSERT INTO "runstate_journal" VALUES(7,'done',NULL,'late','fail','completed',NULL,1.79582746368598031999e+09,NULL,0,'{"last_error":{"code":"server_error","message":"late"}}',NULL,NULL,NULL,NULL);
INSERT INTO "runstate_journal" VALUES(8,'gone',2,'move','start','queued','in_progress',1.79582746370098733906e+09,2.8002262115478515625e-02,0,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "runstate_journal" VALUES(9,'gone',3,'move','request_cancel','in_progress','cancelling',1.79582746370501065251e+09,4.0233135223388671875e-03,0,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "runstate_journal" VALUES(10,'first',1,'move','create',NULL,'queued',1.7958274637089939118e+09,NULL,0,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "runstate_journal" VALUES(11,'works',2,'move','start','queued','in_progress',1.79582746371301698682e+09,4.7997951507568359375e-02,0,NULL,NULL,NULL,'alice','by hand');
INSERT INTO "runstate_journal" VALUES(12,'waits',2,'move','start','queued','in_progress',1.79582746371700024612e+09,5.600452423095703125e-02,0,NULL,NULL,1,'worker-1',NULL);
CREATE TABLE runstate_meta (
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (name)
);
INSERT INTO "runstate_meta" VALUES('version','1');
INSERT INTO "runstate_meta" VALUES('lifecycle','{"name": "run", "rows": ["cancelling -complete-> completed", "cancelling -confirm_cancel-> cancelled", "cancelling -expire-> expired", "cancelling -fail-> failed", "cancelling -stop_incomplete-> incomplete", "in_progress -complete-> completed", "in_progress -expire-> expired", "in_progress -fail-> failed", "in_progress -request_cancel-> cancelling", "in_progress -require_action-> requires_action", "in_progress -stop_incomplete-> incomplete", "queued -expire-> expired", "queued -fail-> failed", "queued -request_cancel-> cancelling", "queued -start-> in_progress", "requires_action -expire-> expired", "requires_action -request_cancel-> cancelling", "requires_action -submit_tool_outputs-> queued"]}');
INSERT INTO "runstate_meta" VALUES('counted','7');
CREATE TABLE runstate_runs (
    id TEXT NOT NULL,
    status TEXT NOT NULL,
    version BIGINT NOT NULL,
    thread_id TEXT,
    assistant_id TEXT,
    document TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    started_at BIGINT,
    completed_at BIGINT,
    failed_at BIGINT,
    cancelled_at BIGINT,
    expires_at BIGINT,
    required_action TEXT,
    last_error TEXT,
    incomplete_details TEXT,
    usage TEXT,
    born_at DOUBLE NOT NULL,
    moved_at DOUBLE NOT NULL,
    last_trigger TEXT NOT NULL,
    last_source TEXT,
    last_duration_s DOUBLE,
    clock_regressed BOOLEAN NOT NULL,
    deadline_at DOUBLE,
    lease_owner TEXT,
    lease_token BIGINT NOT NULL,
    lease_until DOUBLE,
    attempt BIGINT NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT runstate_runs_created_at_fits CHECK ((status NOT IN ('queued', 'in_progress', 'requires_action', 'cancelling', 'cancelled', 'failed', 'completed', 'incomplete', 'expired') OR created_at IS NOT NULL)),
    CONSTRAINT runstate_runs_started_at_fits CHECK ((status NOT IN ('in_progress', 'requires_action') OR started_at IS NOT NULL)),
    CONSTRAINT runstate_runs_completed_at_fits CHECK ((status NOT IN ('completed', 'incomplete', 'expired') OR completed_at IS NOT NULL) AND (status NOT IN ('queued', 'in_progress', 'requires_action', 'cancelling', 'cancelled', 'failed') OR completed_at IS NULL)),
    CONSTRAINT runstate_runs_failed_at_fits CHECK ((status NOT IN ('failed') OR failed_at IS NOT NULL) AND (status NOT IN ('queued', 'in_progress', 'requires_action', 'cancelling', 'cancelled', 'completed', 'incomplete', 'expired') OR failed_at IS NULL)),
    CONSTRAINT runstate_runs_cancelled_at_fits CHECK ((status NOT IN ('cancelled') OR cancelled_at IS NOT NULL) AND (status NOT IN ('queued', 'in_progress', 'requires_action', 'cancelling', 'failed', 'completed', 'incomplete', 'expired') OR cancelled_at IS NULL)),
    CONSTRAINT runstate_runs_expires_at_fits CHECK ((status NOT IN ('cancelled', 'failed', 'completed', 'incomplete', 'expired') OR expires_at IS NULL))
);
INSERT INTO "runstate_runs" VALUES('waits','in_progress',2,'t1',NULL,'{"metadata":{"team":"a"}}',1795827463,1795827463,NULL,NULL,NULL,1795828063,NULL,NULL,NULL,NULL,1.79582746366099572183e+09,1.79582746371700024612e+09,'start','queued',5.600452423095703125e-02,0,NULL,'worker-1',1,1.79583106371700024607e+09,1);
INSERT INTO "runstate_runs" VALUES('works','in_progress',2,'t1','asst_1','{}',1795827463,1795827463,NULL,NULL,NULL,1795828063,NULL,NULL,NULL,NULL,1.79582746366501903529e+09,1.79582746371301698682e+09,'start','queued',4.7997951507568359375e-02,0,NULL,NULL,0,NULL,0);
INSERT INTO "runstate_runs" VALUES('done','completed',3,NULL,NULL,'{}',1795827463,1795827463,1795827463,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1.79582746366900205614e+09,1.79582746368099164958e+09,'complete','in_progress',0.00700068473815918,0,NULL,NULL,0,NULL,0);
INSERT INTO "runstate_runs" VALUES('gone','cancelling',3,NULL,NULL,'{}',1795827463,1795827463,NULL,NULL,NULL,1795828063,NULL,NULL,NULL,NULL,1.79582746367298507687e+09,1.79582746370501065251e+09,'request_cancel','in_progress',4.0233135223388671875e-03,0,1.7958275237050106525e+09,NULL,0,NULL,0);
INSERT INTO "runstate_runs" VALUES('first','queued',1,'t0',NULL,'{}',1795827463,NULL,NULL,NULL,NULL,1795828063,NULL,NULL,NULL,NULL,1.7958274637089939118e+09,1.7958274637089939118e+09,'create',NULL,NULL,0,NULL,NULL,0,NULL,0);
CREATE INDEX runstate_runs_thread ON runstate_runs (thread_id, born_at, id);
CREATE INDEX runstate_runs_born ON runstate_runs (born_at, id);
CREATE INDEX runstate_runs_lease_until ON runstate_runs (lease_until) WHERE lease_until IS NOT NULL;
CREATE INDEX runstate_runs_deadline_at ON runstate_runs (deadline_at) WHERE deadline_at IS NOT NULL;
CREATE INDEX runstate_runs_expires_at ON runstate_runs (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX runstate_runs_status ON runstate_runs (status, born_at, id);
CREATE UNIQUE INDEX runstate_journal_key ON runstate_journal (run_id, "key") WHERE "key" IS NOT NULL;
CREATE UNIQUE INDEX runstate_journal_seq ON runstate_journal (run_id, seq);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('runstate_journal',12);
COMMIT;
