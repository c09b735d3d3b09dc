// Package oci writes a repository of images and artifacts as an OCI image layout, reads it back,
// and copies it to a registry. What it writes depends only on the content: the same content in
// another folder has the same digests.
package oci
