// Package image builds container images for several platforms without a container engine: the files
// come from a folder of built programs, and the configuration from a Dockerfile.
package image
