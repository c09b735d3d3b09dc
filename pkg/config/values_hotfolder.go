package config

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder/cron"
)

// cronExpression is a cron expression with six fields.
type cronExpression struct{ to *string }

func (v cronExpression) set(s string) error {
	if _, err := cron.Parse(s); err != nil {
		return fmt.Errorf("%w; such as 0 0/5 * * * ?", err)
	}
	*v.to = s
	return nil
}

func (v cronExpression) String() string { return *v.to }

// fileMode is the octal mode of a file. Its owner can always read and write.
type fileMode struct{ to *os.FileMode }

func (v fileMode) set(s string) error {
	mode, err := strconv.ParseUint(s, 8, 32)
	if err != nil || mode > 0o777 || mode&0o600 != 0o600 {
		return errors.New("want an octal mode from 0600 to 0777 that lets the owner read and write")
	}
	*v.to = os.FileMode(mode)
	return nil
}

func (v fileMode) String() string { return fmt.Sprintf("%04o", *v.to) }

// patterns is a list of patterns of file names, see path.Match.
type patterns struct{ to *[]string }

func (v patterns) set(s string) error {
	var list []string
	for pattern := range strings.SplitSeq(s, ",") {
		if _, err := path.Match(pattern, "x"); err != nil || pattern == "" || strings.Contains(pattern, "/") {
			return errors.New("want patterns of file names, such as *.tmp,.*")
		}
		list = append(list, pattern)
	}
	*v.to = list
	return nil
}

func (v patterns) String() string { return strings.Join(*v.to, ",") }

// suffix is the end of the name of a marker. It must not be that of a sidecar, because such a
// file is always taken for a sidecar.
type suffix struct{ to *string }

func (v suffix) set(s string) error {
	if strings.ContainsAny(s, "/\x00") || strings.HasSuffix(s, sidecarSuffix) {
		return errors.New("want the end of a file name, such as .done, that is not that of a sidecar, " + sidecarSuffix)
	}
	*v.to = s
	return nil
}

func (v suffix) String() string { return *v.to }

// sidecarSuffix ends the name of a file with settings for another file of a hot folder.
const sidecarSuffix = ".sign.json"
