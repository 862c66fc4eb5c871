-- The app's role and database, when PostgreSQL starts for the first time. PostgreSQL's image runs this as its superuser,
-- whose password the app does not know. The app's role owns its own database and nothing else: a fault in the app can
-- read no file of the server, run no program there, and make no other role.
\set password `cat "$APP_PASSWORD_FILE"`
CREATE ROLE salesagg LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD :'password';
CREATE DATABASE salesagg OWNER salesagg;
-- Without this every role may connect to every database.
REVOKE ALL ON DATABASE salesagg, postgres, template1 FROM PUBLIC;
