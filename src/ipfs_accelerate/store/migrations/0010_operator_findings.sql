-- A finding may be about one operator of a case; NULL is the whole case.

ALTER TABLE performance_anomalies ADD COLUMN operator VARCHAR;
