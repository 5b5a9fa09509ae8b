-- What may become of "state" in "jobs": the lifecycle golden, for sqlite.
-- May be run again, and replaces itself.

SAVEPOINT "jobs$state$guard";

DROP TRIGGER IF EXISTS "jobs$state$insert";

DROP TRIGGER IF EXISTS "jobs$state$update";

DROP TRIGGER IF EXISTS "jobs$state$key";

DROP TABLE IF EXISTS "jobs$state$taken";
CREATE TABLE "jobs$state$taken" (run PRIMARY KEY, source TEXT, target TEXT);
CREATE TRIGGER "jobs$state$replace" AFTER INSERT ON "jobs$state$taken"
WHEN NEW.target IS NOT NULL BEGIN
    SELECT CASE
        WHEN NEW.run IS NULL
        THEN RAISE(ABORT, 'table jobs is declared ON CONFLICT REPLACE, which cannot be guarded')
        WHEN NEW.source COLLATE BINARY = 'it''s' AND CASE NEW.target COLLATE BINARY WHEN 'it''s' THEN 0 WHEN '\''; DROP TABLE jobs; --' THEN 0 ELSE 1 END
        THEN RAISE(ABORT, 'run is it''s: cannot become that (allowed: \''; DROP TABLE jobs; --)')
        WHEN NEW.source COLLATE BINARY = '\''; DROP TABLE jobs; --' AND CASE NEW.target COLLATE BINARY WHEN '\''; DROP TABLE jobs; --' THEN 0 WHEN '$BODY$ "é" 😀' THEN 0 ELSE 1 END
        THEN RAISE(ABORT, 'run is \''; DROP TABLE jobs; --: cannot become that (allowed: $BODY$ "é" 😀)')
        WHEN NEW.source COLLATE BINARY = '$BODY$ "é" 😀' AND CASE NEW.target COLLATE BINARY WHEN '$BODY$ "é" 😀' THEN 0 ELSE 1 END
        THEN RAISE(ABORT, 'run is $BODY$ "é" 😀: cannot become that (allowed: nothing, $BODY$ "é" 😀 is terminal)')
    END;
END;

INSERT INTO "jobs$state$taken"
    SELECT NULL, '', '' FROM sqlite_master
    WHERE type = 'table' AND lower(name) = 'jobs'
    AND replace(replace(replace(replace(replace(upper(sql), ' ', ''), char(9), ''), char(10), ''), char(13), ''), 'NOTNULLONCONFLICTREPLACE', '') LIKE '%ONCONFLICTREPLACE%';

CREATE TRIGGER "jobs$state$insert" BEFORE INSERT ON "jobs" BEGIN
    SELECT CASE
        WHEN NEW."job_id" IS NULL
        THEN RAISE(ABORT, 'run has no job_id')
        WHEN CASE NEW."state" COLLATE BINARY WHEN 'it''s' THEN 0 WHEN '\''; DROP TABLE jobs; --' THEN 0 WHEN '$BODY$ "é" 😀' THEN 0 ELSE 1 END
        THEN RAISE(ABORT, 'run has no such status (known: it''s, \''; DROP TABLE jobs; --, $BODY$ "é" 😀)')
        WHEN NEW."state" COLLATE BINARY = 'it''s' AND (NEW."ended_at" IS NOT NULL OR NEW."result" IS NOT NULL)
        THEN RAISE(ABORT, 'run is it''s: that excludes ended_at, result')
        WHEN NEW."state" COLLATE BINARY = '\''; DROP TABLE jobs; --' AND (NEW."ended_at" IS NOT NULL OR NEW."result" IS NOT NULL)
        THEN RAISE(ABORT, 'run is \''; DROP TABLE jobs; --: that excludes ended_at, result')
        WHEN NEW."state" COLLATE BINARY = '$BODY$ "é" 😀' AND (NEW."ended_at" IS NULL OR NEW."result" IS NULL)
        THEN RAISE(ABORT, 'run is $BODY$ "é" 😀: that needs ended_at, result')
    END;
END;

CREATE TRIGGER "jobs$state$key" BEFORE INSERT ON "jobs"
WHEN EXISTS (SELECT 1 FROM "jobs" WHERE "jobs"."job_id" = NEW."job_id" AND "jobs"."state" COLLATE BINARY IS NOT NEW."state") BEGIN
    INSERT OR IGNORE INTO "jobs$state$taken" SELECT "jobs"."job_id", NULL, NULL FROM "jobs" WHERE "jobs"."job_id" = NEW."job_id" AND "jobs"."state" COLLATE BINARY IS NOT NEW."state";
    INSERT OR IGNORE INTO "jobs$state$taken" SELECT "jobs"."job_id", "jobs"."state", NEW."state" FROM "jobs" WHERE "jobs"."job_id" = NEW."job_id" AND "jobs"."state" COLLATE BINARY IS NOT NEW."state";
    DELETE FROM "jobs$state$taken";
END;

CREATE TRIGGER "jobs$state$update" BEFORE UPDATE ON "jobs" BEGIN
    SELECT CASE
        WHEN NEW."job_id" IS NOT OLD."job_id"
        THEN RAISE(ABORT, 'run keeps its job_id')
        WHEN OLD."state" COLLATE BINARY = 'it''s' AND CASE NEW."state" COLLATE BINARY WHEN 'it''s' THEN 0 WHEN '\''; DROP TABLE jobs; --' THEN 0 ELSE 1 END
        THEN RAISE(ABORT, 'run is it''s: cannot become that (allowed: \''; DROP TABLE jobs; --)')
        WHEN OLD."state" COLLATE BINARY = '\''; DROP TABLE jobs; --' AND CASE NEW."state" COLLATE BINARY WHEN '\''; DROP TABLE jobs; --' THEN 0 WHEN '$BODY$ "é" 😀' THEN 0 ELSE 1 END
        THEN RAISE(ABORT, 'run is \''; DROP TABLE jobs; --: cannot become that (allowed: $BODY$ "é" 😀)')
        WHEN OLD."state" COLLATE BINARY = '$BODY$ "é" 😀' AND CASE NEW."state" COLLATE BINARY WHEN '$BODY$ "é" 😀' THEN 0 ELSE 1 END
        THEN RAISE(ABORT, 'run is $BODY$ "é" 😀: cannot become that (allowed: nothing, $BODY$ "é" 😀 is terminal)')
        WHEN CASE NEW."state" COLLATE BINARY WHEN 'it''s' THEN 0 WHEN '\''; DROP TABLE jobs; --' THEN 0 WHEN '$BODY$ "é" 😀' THEN 0 ELSE 1 END
        THEN RAISE(ABORT, 'run has no such status (known: it''s, \''; DROP TABLE jobs; --, $BODY$ "é" 😀)')
        WHEN NEW."state" COLLATE BINARY = 'it''s' AND (NEW."ended_at" IS NOT NULL OR NEW."result" IS NOT NULL)
        THEN RAISE(ABORT, 'run is it''s: that excludes ended_at, result')
        WHEN NEW."state" COLLATE BINARY = '\''; DROP TABLE jobs; --' AND (NEW."ended_at" IS NOT NULL OR NEW."result" IS NOT NULL)
        THEN RAISE(ABORT, 'run is \''; DROP TABLE jobs; --: that excludes ended_at, result')
        WHEN NEW."state" COLLATE BINARY = '$BODY$ "é" 😀' AND (NEW."ended_at" IS NULL OR NEW."result" IS NULL)
        THEN RAISE(ABORT, 'run is $BODY$ "é" 😀: that needs ended_at, result')
    END;
END;

UPDATE "jobs" SET "state" = "state" WHERE
    (CASE "jobs"."state" COLLATE BINARY WHEN 'it''s' THEN 0 WHEN '\''; DROP TABLE jobs; --' THEN 0 WHEN '$BODY$ "é" 😀' THEN 0 ELSE 1 END) OR
    ("jobs"."state" COLLATE BINARY = 'it''s' AND ("jobs"."ended_at" IS NOT NULL OR "jobs"."result" IS NOT NULL)) OR
    ("jobs"."state" COLLATE BINARY = '\''; DROP TABLE jobs; --' AND ("jobs"."ended_at" IS NOT NULL OR "jobs"."result" IS NOT NULL)) OR
    ("jobs"."state" COLLATE BINARY = '$BODY$ "é" 😀' AND ("jobs"."ended_at" IS NULL OR "jobs"."result" IS NULL));

RELEASE "jobs$state$guard";
