// Package storagetest is the conformance suite of hotfolder.Storage.
//
// It is for tests only.
package storagetest
