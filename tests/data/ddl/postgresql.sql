-- What may become of "state" in "jobs": the lifecycle golden, for postgresql.
-- May be run again, and replaces itself.

ALTER TABLE "jobs"
    DROP CONSTRAINT IF EXISTS "jobs$state$known",
    DROP CONSTRAINT IF EXISTS "jobs$state$fields",
    ADD CONSTRAINT "jobs$state$known" CHECK (
        "state" IS NOT NULL AND ("state"::text COLLATE "C") IN ('it''s', E'\\''; DROP TABLE jobs; --', '$BODY$ "é" 😀')
    ),
    ADD CONSTRAINT "jobs$state$fields" CHECK (
        CASE ("state"::text COLLATE "C")
        WHEN 'it''s' THEN "ended_at" IS NULL AND "result" IS NULL
        WHEN E'\\''; DROP TABLE jobs; --' THEN "ended_at" IS NULL AND "result" IS NULL
        WHEN '$BODY$ "é" 😀' THEN "ended_at" IS NOT NULL AND "result" IS NOT NULL
        ELSE TRUE END
    );

CREATE OR REPLACE FUNCTION "jobs$state$refuse"() RETURNS trigger
LANGUAGE plpgsql AS $BODY$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'check_violation',
        SCHEMA = TG_TABLE_SCHEMA,
        TABLE = TG_TABLE_NAME,
        COLUMN = 'state',
        CONSTRAINT = 'jobs$state$moves',
        MESSAGE = regexp_replace(
            concat(
                'run ''', left(OLD."job_id"::text, 200), ''' is ', OLD."state",
                ': cannot become ',
                CASE
                    WHEN NEW."job_id" IS DISTINCT FROM OLD."job_id"
                    THEN concat('run ''', left(NEW."job_id"::text, 200), '''')
                    ELSE coalesce(left(NEW."state"::text, 200), 'NULL')
                END
            ) COLLATE "C",
            E'[\\u0001-\\u001f\\u007f-\\u009f\\u00ad\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff]', '?', 'g'
        );
END
$BODY$;

CREATE OR REPLACE TRIGGER "jobs$state$before" BEFORE UPDATE ON "jobs" FOR EACH ROW
WHEN (
    NEW."job_id" IS DISTINCT FROM OLD."job_id"
    OR ((NEW."state"::text COLLATE "C") IS DISTINCT FROM (OLD."state"::text COLLATE "C") AND CASE (OLD."state"::text COLLATE "C")
        WHEN 'it''s' THEN (NEW."state"::text COLLATE "C") IN (E'\\''; DROP TABLE jobs; --')
        WHEN E'\\''; DROP TABLE jobs; --' THEN (NEW."state"::text COLLATE "C") IN ('$BODY$ "é" 😀')
        WHEN '$BODY$ "é" 😀' THEN FALSE
    END IS NOT TRUE)
)
EXECUTE FUNCTION "jobs$state$refuse"();

CREATE OR REPLACE TRIGGER "jobs$state$after" AFTER UPDATE ON "jobs" FOR EACH ROW
WHEN (
    NEW."job_id" IS DISTINCT FROM OLD."job_id"
    OR ((NEW."state"::text COLLATE "C") IS DISTINCT FROM (OLD."state"::text COLLATE "C") AND CASE (OLD."state"::text COLLATE "C")
        WHEN 'it''s' THEN (NEW."state"::text COLLATE "C") IN (E'\\''; DROP TABLE jobs; --')
        WHEN E'\\''; DROP TABLE jobs; --' THEN (NEW."state"::text COLLATE "C") IN ('$BODY$ "é" 😀')
        WHEN '$BODY$ "é" 😀' THEN FALSE
    END IS NOT TRUE)
)
EXECUTE FUNCTION "jobs$state$refuse"();
