package config

import (
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
		return fmt.Errorf("want an octal mode from 0600 to 0777 that lets the owner read and write, not %q", s)
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
			return fmt.Errorf("want patterns of file names, such as *.tmp,.*, not %q", pattern)
		}
		list = append(list, pattern)
	}
	*v.to = list
	return nil
}

func (v patterns) String() string { return strings.Join(*v.to, ",") }
