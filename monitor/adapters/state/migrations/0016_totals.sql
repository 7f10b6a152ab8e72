-- Counters that never fall: kept by triggers, in the transaction of what they count, so that pruning takes nothing away.
CREATE TRIGGER count_deploys AFTER UPDATE OF result ON deploys
WHEN NEW.result IS NOT NULL AND OLD.result IS NULL
BEGIN
    INSERT INTO totals (metric, labels, value)
    VALUES ('bgmon_deploys_total', json_array(NEW.service, NEW.result), 1)
    ON CONFLICT (metric, labels) DO UPDATE SET value = value + 1;
END;

CREATE TRIGGER count_restarts AFTER INSERT ON restarts
BEGIN
    INSERT INTO totals (metric, labels, value)
    VALUES ('bgmon_restarts_total', json_array(NEW.service, NEW.reason), 1)
    ON CONFLICT (metric, labels) DO UPDATE SET value = value + 1;
END;
