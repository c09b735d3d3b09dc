// Package store keeps operations and documents on the instance's own disk. It is the signing.Store
// of the proxy.
//
// Metadata is in one SQLite database (modernc.org/sqlite, which needs no C compiler) in WAL mode
// with synchronous=FULL. SQLite was chosen because with group commit it writes as fast as a raw log
// with one fsync for each record (measured: 0.53 to 0.56 s against 0.53 to 0.63 s for 1,000 synced
// writes; bbolt took 0.85 to 1.09 s). It takes about 7 MB of memory, answers the queries that
// status calls and retention need, and can be inspected with the sqlite3 program while the proxy
// runs.
//
// The documents of an operation are in one file named after the operation, one after the other, and
// larger sections are appended to it. There is one file for each operation and not for each
// document, because 2,500 documents of 200 KB then cost one fsync and one directory entry.
// Measured, spooling them took 0.9 s instead of 1.7 to 2.0 s and an eighth of the kernel's CPU
// time.
//
// README.md tells the life of an operation file by file and table by table, how to back the folder
// up, and which file systems do not work.
package store
