package bucket

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
)

// own is the folder in the input folder where we keep our own objects:
//
//	.signstash/claims/<SHA-256>                    a claim that is being made; see Claim
//	.signstash/owners/<ordinal>                    written by Renew
//	.signstash/check/<ordinal>/<name>              written and removed by Check
//	.signstash/runs/<run>/run                      the owner of a run
//	.signstash/runs/<run>/original/<name>          a claimed file
//	.signstash/runs/<run>/staged/<claim>/<ordinal>.<index>  a file that Stage has written
//	.signstash/runs/<run>/delivery/<claim>         what Deliver shows, and how far it has come
//	.signstash/runs/<run>/return/<claim>           a claim that PutBack gives back
//	.signstash/runs/<run>/note/<key>               a text that Note has written
const own = ".signstash"

// paths makes the keys of one client service.
type paths struct {
	Places
	flat bool // outputs and backups have no sub-folder for each run
}

func (p paths) input(name string) string { return p.Input.Prefix + name }

func (p paths) own(segments ...string) string {
	return p.Input.Prefix + own + "/" + strings.Join(segments, "/")
}

// lock returns the key that instances compete for. It names the version, so a claim of an old
// version never blocks a new one.
func (p paths) lock(key, version string) string {
	sum := sha256.Sum256([]byte(key + "\x00" + version))
	return p.own("claims", hex.EncodeToString(sum[:]))
}

func (p paths) owner(ordinal int) string { return p.own("owners", strconv.Itoa(ordinal)) }

func (p paths) run(id string) string { return p.own("runs", id, "run") }

func (p paths) original(id, name string) string { return p.own("runs", id, "original", name) }

func (p paths) staged(id, claim string) string { return p.own("runs", id, "staged", claim) + "/" }

func (p paths) delivery(id, claim string) string { return p.own("runs", id, "delivery", claim) }

func (p paths) giveBack(id, claim string) string { return p.own("runs", id, "return", claim) }

func (p paths) note(id, key string) string { return p.own("runs", id, "note", key) }

// output and backup return the prefix of the results and of the originals of a run.
func (p paths) output(id string) string { return p.ofRun(p.Output, id) }

func (p paths) backup(id string) string { return p.ofRun(p.Backup, id) }

func (p paths) ofRun(folder Place, id string) string {
	if p.flat {
		return folder.Prefix
	}
	return folder.Prefix + id + "/"
}

// maxKey is the length of the longest key that all stores allow.
const maxKey = 1024

// fits reports whether the keys of a file and of its results can be made. The results have names
// that are a little longer.
func (p paths) fits(name string) bool {
	const run, longer = len("00000000-0000-0000-0000-000000000000"), len("~1000.sign.json")
	longest := max(len(p.original(strings.Repeat("0", run), name)), len(p.Output.Prefix)+run+1+len(name),
		len(p.Backup.Prefix)+run+1+len(name))
	return longest+longer <= maxKey
}

// numbered returns the name with a number before its extension. Number 0 is the name itself.
func numbered(name string, number int) string {
	if number == 0 {
		return name
	}
	stem, extension := name, ""
	if dot := strings.LastIndexByte(name, '.'); dot > 0 {
		stem, extension = name[:dot], name[dot:]
	}
	return stem + "~" + strconv.Itoa(number) + extension
}

// idOf checks a run before its ID becomes a part of a key.
func idOf(run hotfolder.Run) bool {
	return run.ID != "" && run.ID != "." && run.ID != ".." && !strings.Contains(run.ID, "/")
}
