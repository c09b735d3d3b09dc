package config

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/weburl"
	"github.com/signstash-proxy/signstash-proxy/pkg/timestamp"
)

// webURL is an absolute http or https URL, which may have a query.
type webURL struct{ to *string }

func (v webURL) set(s string) error {
	if err := weburl.Check(s); err != nil {
		return err
	}
	*v.to = s
	return nil
}

func (v webURL) String() string { return *v.to }

// maxList is the largest number of entries of a list, on the command line and in the file.
const maxList = 100

// authorityURLs is a list of timestamp authorities that are given by their URLs only.
type authorityURLs struct {
	to *[]timestamp.AuthoritySettings
}

func (v authorityURLs) set(s string) error {
	var list []timestamp.AuthoritySettings
	for _, text := range items(s) {
		if err := weburl.Check(text); err != nil {
			return err
		}
		list = append(list, timestamp.AuthoritySettings{URL: text})
	}
	if len(list) == 0 || len(list) > maxList {
		return fmt.Errorf("want 1 to %d URLs, separated by commas", maxList)
	}
	*v.to = list
	return nil
}

func (v authorityURLs) String() string {
	var urls []string
	for _, a := range *v.to {
		urls = append(urls, a.URL)
	}
	return strings.Join(urls, ",")
}

// prefixes is a list of address ranges. A single address is a range of one.
type prefixes struct{ to *[]netip.Prefix }

func (v prefixes) set(s string) error {
	var list []netip.Prefix
	for _, text := range items(s) {
		p, err := netip.ParsePrefix(text)
		if a, aerr := netip.ParseAddr(text); aerr == nil {
			p, err = netip.PrefixFrom(a, a.BitLen()), nil
		}
		if err != nil {
			return fmt.Errorf("want address ranges separated by commas, such as 10.1.0.0/16,2001:db8::/32")
		}
		list = append(list, p.Masked())
	}
	if len(list) == 0 || len(list) > maxList {
		return fmt.Errorf("want 1 to %d address ranges, separated by commas", maxList)
	}
	*v.to = list
	return nil
}

func (v prefixes) String() string {
	var texts []string
	for _, p := range *v.to {
		texts = append(texts, p.String())
	}
	return strings.Join(texts, ",")
}

// hostNames is a list of host names, or endings of host names.
type hostNames struct{ to *[]string }

func (v hostNames) set(s string) error {
	list := items(s)
	for i, name := range list {
		list[i] = strings.ToLower(strings.Trim(name, "."))
		if !hostName.MatchString(list[i]) {
			return fmt.Errorf("%q is not a host name; want names separated by commas, such as example.org,erp.example.net", name)
		}
	}
	if len(list) == 0 || len(list) > maxList {
		return fmt.Errorf("want 1 to %d host names, separated by commas", maxList)
	}
	*v.to = list
	return nil
}

func (v hostNames) String() string { return strings.Join(*v.to, ",") }

// hostName is the form of a host name (RFC 1123 2.1): no wildcard, port or scheme.
var hostName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$`)

// items splits s at commas and drops empty items.
func items(s string) []string {
	var out []string
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}
