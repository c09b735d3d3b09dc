// Package layers holds the dependency rule of the project as a table, and fails the tests when an
// import breaks it.
//
// Arrows point at pkg/signing; plugs know the domain and leaves, never each other; only programs
// name concrete plugs. The table in rules.go says it package by package; a package that no row
// covers is a fault too, so that a new one gets its row.
package layers
