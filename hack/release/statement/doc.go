// Package statement writes what a release says about its artifacts: which modules are inside
// (CycloneDX) and how they were built (SLSA provenance), as in-toto statements.
package statement
