package directory

import (
	"os"

	"github.com/go-logr/logr"
)

// Config says where the folders of a client service are.
type Config struct {
	Work string // the work folder; the other folders are below it
	// Input, Output and Backup are paths relative to Work. A leading slash is ignored.
	Input, Output, Backup string
	Client                string // ID of the client service; empty = unknown
	Ordinal               int    // of this instance
	Flat                  bool   // output and backup have no sub-folders for runs
	// Neighbours are the other client services of this process. Open refuses folders that are mixed up
	// with theirs. Nil = none.
	Neighbours *Neighbours
	// Mode and Group are those of outputs. Sub-folders get an x for each r of Mode. 0 = 0660, so that
	// consumers in the group can read and remove them. Group 0 = the group that the folder gives.
	Mode  os.FileMode
	Group int
	Poll  bool // do not use inotify
	Log   logr.Logger
}
