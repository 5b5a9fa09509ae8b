CREATE TABLE public.runstate_counts (
    status text NOT NULL,
    runs bigint NOT NULL
);
CREATE TABLE public.runstate_journal (
    "position" bigint NOT NULL,
    run_id text NOT NULL,
    seq bigint,
    kind text NOT NULL,
    trigger text,
    source text,
    target text,
    at double precision NOT NULL,
    duration_s double precision,
    clock_regressed boolean NOT NULL,
    payload text,
    key text,
    token bigint,
    actor text,
    reason text,
    txid xid8 DEFAULT pg_current_xact_id()
);
CREATE SEQUENCE public.runstate_journal_position_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.runstate_journal_position_seq OWNED BY public.runstate_journal."position";
CREATE TABLE public.runstate_meta (
    name text NOT NULL,
    value text NOT NULL
);
CREATE TABLE public.runstate_runs (
    id text NOT NULL,
    status text NOT NULL,
    version bigint NOT NULL,
    thread_id text,
    assistant_id text,
    document text NOT NULL,
    created_at bigint NOT NULL,
    started_at bigint,
    completed_at bigint,
    failed_at bigint,
    cancelled_at bigint,
    expires_at bigint,
    required_action text,
    last_error text,
    incomplete_details text,
    usage text,
    born_at double precision NOT NULL,
    moved_at double precision NOT NULL,
    last_trigger text NOT NULL,
    last_source text,
    last_duration_s double precision,
    clock_regressed boolean NOT NULL,
    deadline_at double precision,
    lease_owner text,
    lease_token bigint NOT NULL,
    lease_until double precision,
    attempt bigint NOT NULL,
    CONSTRAINT runstate_runs_cancelled_at_fits CHECK ((((status <> 'cancelled'::text) OR (cancelled_at IS NOT NULL)) AND ((status <> ALL (ARRAY['queued'::text, 'in_progress'::text, 'requires_action'::text, 'cancelling'::text, 'failed'::text, 'completed'::text, 'incomplete'::text, 'expired'::text])) OR (cancelled_at IS NULL)))),
    CONSTRAINT runstate_runs_completed_at_fits CHECK ((((status <> ALL (ARRAY['completed'::text, 'incomplete'::text, 'expired'::text])) OR (completed_at IS NOT NULL)) AND ((status <> ALL (ARRAY['queued'::text, 'in_progress'::text, 'requires_action'::text, 'cancelling'::text, 'cancelled'::text, 'failed'::text])) OR (completed_at IS NULL)))),
    CONSTRAINT runstate_runs_created_at_fits CHECK (((status <> ALL (ARRAY['queued'::text, 'in_progress'::text, 'requires_action'::text, 'cancelling'::text, 'cancelled'::text, 'failed'::text, 'completed'::text, 'incomplete'::text, 'expired'::text])) OR (created_at IS NOT NULL))),
    CONSTRAINT runstate_runs_expires_at_fits CHECK (((status <> ALL (ARRAY['cancelled'::text, 'failed'::text, 'completed'::text, 'incomplete'::text, 'expired'::text])) OR (expires_at IS NULL))),
    CONSTRAINT runstate_runs_failed_at_fits CHECK ((((status <> 'failed'::text) OR (failed_at IS NOT NULL)) AND ((status <> ALL (ARRAY['queued'::text, 'in_progress'::text, 'requires_action'::text, 'cancelling'::text, 'cancelled'::text, 'completed'::text, 'incomplete'::text, 'expired'::text])) OR (failed_at IS NULL)))),
    CONSTRAINT runstate_runs_started_at_fits CHECK (((status <> ALL (ARRAY['in_progress'::text, 'requires_action'::text])) OR (started_at IS NOT NULL)))
);
ALTER TABLE ONLY public.runstate_journal ALTER COLUMN "position" SET DEFAULT nextval('public.runstate_journal_position_seq'::regclass);
INSERT INTO public.runstate_counts VALUES ('completed', 1);
INSERT INTO public.runstate_counts VALUES ('queued', 3);
INSERT INTO public.runstate_journal VALUES (1, 'waits', 1, 'move', 'create', NULL, 'queued', 1795827481.461839, NULL, false, NULL, NULL, NULL, NULL, NULL, '732');
INSERT INTO public.runstate_journal VALUES (2, 'works', 1, 'move', 'create', NULL, 'queued', 1795827481.464041, NULL, false, NULL, NULL, NULL, NULL, NULL, '733');
INSERT INTO public.runstate_journal VALUES (3, 'done', 1, 'move', 'create', NULL, 'queued', 1795827481.465143, NULL, false, NULL, NULL, NULL, NULL, NULL, '734');
INSERT INTO public.runstate_journal VALUES (4, 'gone', 1, 'move', 'create', NULL, 'queued', 1795827481.466099, NULL, false, NULL, NULL, NULL, NULL, NULL, '735');
INSERT INTO public.runstate_journal VALUES (5, 'done', 2, 'move', 'start', 'queued', 'in_progress', 1795827481.467779, 0.002635955810546875, false, NULL, NULL, NULL, NULL, NULL, '736');
INSERT INTO public.runstate_journal VALUES (6, 'done', 3, 'move', 'complete', 'in_progress', 'completed', 1795827481.469302, 0.0015230178833007812, false, NULL, 'k1', NULL, NULL, NULL, '737');
INSERT INTO public.runstate_journal VALUES (7, 'done', NULL, 'late', 'fail', 'completed', NULL, 1795827481.473134, NULL, false, '{"last_error":{"code":"server_error","message":"late"}}', NULL, NULL, NULL, NULL, '738');
INSERT INTO public.runstate_journal VALUES (8, 'gone', 2, 'move', 'start', 'queued', 'in_progress', 1795827481.484188, 0.01808905601501465, false, NULL, NULL, NULL, NULL, NULL, '740');
INSERT INTO public.runstate_journal VALUES (9, 'gone', 3, 'move', 'request_cancel', 'in_progress', 'cancelling', 1795827481.48529, 0.0011019706726074219, false, NULL, NULL, NULL, NULL, NULL, '741');
INSERT INTO public.runstate_journal VALUES (10, 'first', 1, 'move', 'create', NULL, 'queued', 1795827481.486371, NULL, false, NULL, NULL, NULL, NULL, NULL, '742');
INSERT INTO public.runstate_journal VALUES (11, 'works', 2, 'move', 'start', 'queued', 'in_progress', 1795827481.487589, 0.023547887802124023, false, NULL, NULL, NULL, 'alice', 'by hand', '743');
INSERT INTO public.runstate_journal VALUES (12, 'waits', 2, 'move', 'start', 'queued', 'in_progress', 1795827481.489245, 0.027405977249145508, false, NULL, NULL, 1, 'worker-1', NULL, '744');
INSERT INTO public.runstate_meta VALUES ('version', '1');
INSERT INTO public.runstate_meta VALUES ('lifecycle', '{"name": "run", "rows": ["cancelling -complete-> completed", "cancelling -confirm_cancel-> cancelled", "cancelling -expire-> expired", "cancelling -fail-> failed", "cancelling -stop_incomplete-> incomplete", "in_progress -complete-> completed", "in_progress -expire-> expired", "in_progress -fail-> failed", "in_progress -request_cancel-> cancelling", "in_progress -require_action-> requires_action", "in_progress -stop_incomplete-> incomplete", "queued -expire-> expired", "queued -fail-> failed", "queued -request_cancel-> cancelling", "queued -start-> in_progress", "requires_action -expire-> expired", "requires_action -request_cancel-> cancelling", "requires_action -submit_tool_outputs-> queued"]}');
INSERT INTO public.runstate_meta VALUES ('counted', '739:739:');
INSERT INTO public.runstate_runs VALUES ('done', 'completed', 3, NULL, NULL, '{}', 1795827481, 1795827481, 1795827481, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 1795827481.465143, 1795827481.469302, 'complete', 'in_progress', 0.0015230178833007812, false, NULL, NULL, 0, NULL, 0);
INSERT INTO public.runstate_runs VALUES ('gone', 'cancelling', 3, NULL, NULL, '{}', 1795827481, 1795827481, NULL, NULL, NULL, 1795828081, NULL, NULL, NULL, NULL, 1795827481.466099, 1795827481.48529, 'request_cancel', 'in_progress', 0.0011019706726074219, false, 1795827541.48529, NULL, 0, NULL, 0);
INSERT INTO public.runstate_runs VALUES ('first', 'queued', 1, 't0', NULL, '{}', 1795827481, NULL, NULL, NULL, NULL, 1795828081, NULL, NULL, NULL, NULL, 1795827481.486371, 1795827481.486371, 'create', NULL, NULL, false, NULL, NULL, 0, NULL, 0);
INSERT INTO public.runstate_runs VALUES ('works', 'in_progress', 2, 't1', 'asst_1', '{}', 1795827481, 1795827481, NULL, NULL, NULL, 1795828081, NULL, NULL, NULL, NULL, 1795827481.464041, 1795827481.487589, 'start', 'queued', 0.023547887802124023, false, NULL, NULL, 0, NULL, 0);
INSERT INTO public.runstate_runs VALUES ('waits', 'in_progress', 2, 't1', NULL, '{"metadata":{"team":"a"}}', 1795827481, 1795827481, NULL, NULL, NULL, 1795828081, NULL, NULL, NULL, NULL, 1795827481.461839, 1795827481.489245, 'start', 'queued', 0.027405977249145508, false, NULL, 'worker-1', 1, 1795831081.489245, 1);
SELECT pg_catalog.setval('public.runstate_journal_position_seq', 12, true);
ALTER TABLE ONLY public.runstate_counts
    ADD CONSTRAINT runstate_counts_pkey PRIMARY KEY (status);
ALTER TABLE ONLY public.runstate_journal
    ADD CONSTRAINT runstate_journal_pkey PRIMARY KEY ("position");
ALTER TABLE ONLY public.runstate_meta
    ADD CONSTRAINT runstate_meta_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.runstate_runs
    ADD CONSTRAINT runstate_runs_pkey PRIMARY KEY (id);
CREATE UNIQUE INDEX runstate_journal_key ON public.runstate_journal USING btree (run_id, key) WHERE (key IS NOT NULL);
CREATE UNIQUE INDEX runstate_journal_seq ON public.runstate_journal USING btree (run_id, seq);
CREATE INDEX runstate_journal_txid ON public.runstate_journal USING btree (txid);
CREATE INDEX runstate_runs_born ON public.runstate_runs USING btree (born_at, id);
CREATE INDEX runstate_runs_deadline_at ON public.runstate_runs USING btree (deadline_at) WHERE (deadline_at IS NOT NULL);
CREATE INDEX runstate_runs_expires_at ON public.runstate_runs USING btree (expires_at) WHERE (expires_at IS NOT NULL);
CREATE INDEX runstate_runs_lease_until ON public.runstate_runs USING btree (lease_until) WHERE (lease_until IS NOT NULL);
CREATE INDEX runstate_runs_status ON public.runstate_runs USING btree (status, born_at, id);
CREATE INDEX runstate_runs_thread ON public.runstate_runs USING btree (thread_id, born_at, id);
