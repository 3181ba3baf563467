-- A delivery is written into as few trees as possible: those of a transaction that wait are found by the index that says
-- who gives way, kind by kind; only what is parked, which is seldom, has its own.
DROP INDEX deliveries_transaction;
CREATE INDEX deliveries_parked_of_transaction ON deliveries (charger, transaction_trace, backoffice)
    WHERE parked IS NOT NULL AND transaction_trace IS NOT NULL;
