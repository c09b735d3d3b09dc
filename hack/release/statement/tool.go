package statement

import "runtime/debug"

// gomodVersion returns the version of the module that writes the SBOMs.
func gomodVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == "github.com/CycloneDX/cyclonedx-gomod" {
				return m.Version
			}
		}
	}
	return "devel"
}
