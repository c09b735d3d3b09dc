// Package layers holds the table of allowed imports, and its tests fail if an import breaks it.
//
// Imports point at pkg/signing, the domain. Plugs (stores, providers, formats) import the domain
// and leaf packages, and never each other. Only programs name concrete plugs. The table in rules.go
// says this for each package. A package that no row covers is a fault too, so that every new
// package gets a row.
package layers
