// Package keyhome decides which instance may create the operation of an Idempotency-Key, so that
// instances that share no operations never sign one key twice.
//
// Each key has two homes: the two instances that rank highest for it. Before an instance creates an
// operation with a key, it claims the key at the key's home. A repetition at any instance finds the
// claim there and goes to the instance that owns it. An instance that stops in order hands its
// claims over to the next homes, and fetches back what changed when it returns.
//
// The package knows neither HTTP nor files. Transport carries its messages, Table keeps its claims,
// View says which instances are expected, and Holdings knows which operations exist. README.md
// tells the protocol as a story, and what each message guarantees.
package keyhome
