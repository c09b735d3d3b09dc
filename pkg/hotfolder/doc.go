// Package hotfolder is the second way in: it signs files that appear in folders.
//
// Each client service may have an input, an output and a backup folder. The engine lists the input
// folder, waits until a file is complete, claims it, submits it to signing.Service, writes the
// signed file to the output folder and moves the original to the backup folder. Several instances
// may share the folders. A file is signed and delivered exactly once, also if instances are killed
// at any moment.
//
// A Storage holds the three folders of one client service. Package directory implements it on local
// and shared folders, package bucket on object storage. README.md describes the life of a file.
package hotfolder
