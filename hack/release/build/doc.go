// Package build makes a release from a checkout: images, chart, archives, SBOMs, provenance,
// checksums and signatures, in one folder. It needs git and Go, and no network if the Go modules
// are in the module cache. The same commit gives the same bytes in any folder and on any machine.
package build
