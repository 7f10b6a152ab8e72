-- When an alert that still waits to be told as over was over.
ALTER TABLE alerts ADD COLUMN ended_at REAL;
