// Package chart packages the Helm chart: with the version of the release, with images that are
// pinned by their digests, and always with the same bytes for the same input.
package chart
