package main

import (
	"regexp"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
	"github.com/signstash-proxy/signstash-proxy/pkg/status"
)

// hotFolderStatus returns the state of the hot folders; nil = they are not enabled.
func (p *proxy) hotFolderStatus() []hotfolder.Status {
	if p.hotFolder == nil {
		return nil
	}
	return p.hotFolder.Status()
}

// readHotFolders returns the hot folders for the status page.
func (m *management) readHotFolders() []status.HotFolder {
	var list []status.HotFolder
	for _, f := range m.hotFolders() {
		fault := f.LastFault
		if !m.cfg.Management.ShowReferences {
			fault = withoutNames(fault)
		}
		list = append(list, status.HotFolder{
			ClientService: f.ClientService, Input: f.Input, Output: f.Output, Backup: f.Backup,
			LastScan: f.LastScan, Waiting: f.Waiting, Incomplete: f.Incomplete, Irregular: f.Irregular,
			OldestWait: f.OldestWait, Runs: f.Runs, LastRun: f.LastRun,
			Unusable: f.Unusable, LastFault: fault, LastFaultAt: f.LastFaultAt,
		})
	}
	return list
}

// quoted matches a text that was written with %q.
var quoted = regexp.MustCompile(`"(\\.|[^"\\])*"`)

// withoutNames removes the names of files from an error of a folder. They are quoted there, and may
// be invoice numbers.
func withoutNames(fault string) string { return quoted.ReplaceAllString(fault, `"…"`) }
