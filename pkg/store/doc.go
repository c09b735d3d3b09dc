// Package store keeps operations and documents on the instance's own disk: it is the signing.Store
// of the proxy.
//
// Metadata lies in one SQLite database (modernc.org/sqlite, no C compiler needed) in WAL mode with
// synchronous=FULL. It was chosen because with group commit it writes as fast as a raw log with one
// fsync a record (measured: 0.53 to 0.56 s against 0.53 to 0.63 s for 1,000 synced writes; bbolt
// took 0.85 to 1.09 s), takes about 7 MB of memory, answers the queries that status calls and
// retention need, and can be inspected with the sqlite3 program while the proxy runs.
//
// The documents of an operation lie one behind the other in one file named after the operation, and
// larger appended sections behind them. One file an operation and not one a document, because 2,500
// documents of 200 KB then cost one fsync and one directory entry: measured, spooling them took 0.9
// s instead of 1.7 to 2.0 s and an eighth of the kernel's CPU time.
//
// README.md tells the life of an operation file by file and table by table, and names file systems
// that will not do.
package store
