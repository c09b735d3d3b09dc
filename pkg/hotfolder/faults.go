package hotfolder

import (
	"fmt"
	"strings"

	"github.com/signstash-proxy/signstash-proxy/pkg/clientservice"
)

// Faults returns what is wrong with the folders of client services, by client service: a folder
// that is missing, or one that is the same as another one or inside it. Client services may share
// an output and a backup folder. A client service without any folder has no hot folder.
func Faults(services *clientservice.Services) map[string]error {
	faults := make(map[string]error)
	type folder struct {
		client, field, path string
	}
	var all []folder
	for c := range services.All() {
		if !hasFolders(c) {
			continue
		}
		for _, f := range []folder{
			{c.ID, "inputFolder", c.InputFolder}, {c.ID, "outputFolder", c.OutputFolder}, {c.ID, "backupFolder", c.BackupFolder},
		} {
			if f.path == "" {
				faults[c.ID] = fmt.Errorf("%s is missing; the hot folder of a client service needs all three folders", f.field)
				continue
			}
			all = append(all, f)
		}
	}
	for i, a := range all {
		for _, b := range all[:i] {
			same := a.client == b.client
			if !same && a.field != "inputFolder" && b.field != "inputFolder" || !overlap(a.path, b.path) {
				continue
			}
			for _, f := range []folder{a, b} {
				if faults[f.client] == nil {
					faults[f.client] = fmt.Errorf("%s of %s and %s of %s are the same folder or one is inside the other",
						a.field, a.client, b.field, b.client)
				}
			}
		}
	}
	return faults
}

func hasFolders(c *clientservice.ClientService) bool {
	return c.InputFolder != "" || c.OutputFolder != "" || c.BackupFolder != ""
}

// overlap reports whether two folders are the same, or one is inside the other.
func overlap(a, b string) bool {
	a, b = strings.TrimRight(a, "/")+"/", strings.TrimRight(b, "/")+"/"
	return strings.HasPrefix(a, b) || strings.HasPrefix(b, a)
}
