// Package bucket keeps the folders of the hot folder in object storage: Amazon S3 and stores with
// its interface, Google Cloud Storage, Azure Blob Storage.
//
// Several instances share a bucket without any other connection between them. They rely on
// conditional writes: among several writes of one key under If-None-Match: * one succeeds. Check
// and Claim refuse a store without them. README.md describes settings, permissions and limits.
package bucket
