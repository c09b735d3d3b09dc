package affinity

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/durable"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/secretfile"
)

// RunsFile is the name of the file in the state folder that lists the runs of the instance with
// this folder. Releases that do not know the file ignore it.
const RunsFile = "runs.json"

const (
	// maxRuns bounds the list of runs. A peers file is at most a few runs old.
	maxRuns = 64
	// maxRunsBytes bounds the file. It holds maxRuns of the longest identities twice.
	maxRunsBytes = 2 * maxRuns * (maxNameBytes + 64)
)

// Run is one run of an instance.
type Run struct {
	Instance string `json:"instance"` // UID of the pod
	Ordinal  int    `json:"ordinal"`
}

// runsOfFolder is the content of RunsFile.
type runsOfFolder struct {
	// State is the identity of the state folder. The list of another state is void, because the state
	// of these runs was thrown away or the file was copied here.
	State string `json:"state"`
	Runs  []Run  `json:"runs"` // oldest first, without repetitions
}

// RecordRun adds a run to the list in a state folder, whose identity is state, and returns the
// earlier runs with the same ordinal. The list is durable on return. The caller holds the lock of
// the folder. A run without an identity is not recorded. If the list cannot be read, RecordRun
// starts a new one and returns an error too.
func RecordRun(file, state string, run Run) (earlier []string, err error) {
	list, err := readRuns(file, state)
	if err != nil {
		err = fmt.Errorf("read runs of the state folder: %w", err)
	}
	for _, r := range list.Runs {
		if r.Ordinal == run.Ordinal && r.Instance != run.Instance {
			earlier = append(earlier, r.Instance)
		}
	}
	if run.Instance == "" || len(run.Instance) > maxNameBytes ||
		len(list.Runs) > 0 && list.Runs[len(list.Runs)-1] == run {
		return earlier, err
	}
	list.Runs = slices.DeleteFunc(list.Runs, func(r Run) bool { return r == run })
	list.Runs = append(list.Runs, run)
	list.Runs = list.Runs[max(0, len(list.Runs)-maxRuns):]
	data, failed := json.Marshal(list)
	if failed == nil {
		failed = durable.WriteFile(file, append(data, '\n'), 0o600)
	}
	if failed != nil {
		err = errors.Join(err, fmt.Errorf("write runs of the state folder: %w", failed))
	}
	return earlier, err
}

// readRuns returns the list in the file. The list is empty if there is no file, if the file belongs
// to another state, or after an error.
func readRuns(file, state string) (runsOfFolder, error) {
	none := runsOfFolder{State: state}
	data, err := secretfile.Bounded(file, maxRunsBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return none, nil
	}
	if err != nil {
		return none, err
	}
	var list runsOfFolder
	if err := json.Unmarshal(data, &list); err != nil {
		return none, err
	}
	if list.State != state {
		return none, nil
	}
	return list, nil
}
