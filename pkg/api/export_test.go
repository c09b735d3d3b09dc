package api

import (
	"strconv"
	"strings"
)

// Routes lists the calls that the API description must hold: all but the description itself and its
// page. Their paths are without the base path.
func Routes() []string {
	var names []string
	a := &API{cfg: Config{BasePath: DefaultBasePath}}
	for _, r := range a.routes() {
		if !strings.Contains(r.pattern, apiPath) && r.pattern != tokenPath {
			continue
		}
		names = append(names, a.routeName(&r))
	}
	return names
}

// ErrorRows lists status and code of every row of the table of errors, as "400 | 0.0.2". That of a
// client that went away has no reader.
func ErrorRows() []string {
	var rows []string
	for _, a := range answers {
		if a.code == "" {
			a.code = strconv.Itoa(a.status)
		}
		rows = append(rows, strconv.Itoa(a.status)+" | "+a.code)
	}
	return rows
}
