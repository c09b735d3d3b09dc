// Package verify checks a release, in a registry or in a folder: signatures, content, SBOMs,
// provenance, checksums, and that the chart installs the images that were checked. An error names
// the part that is wrong.
package verify
