package font

import "fmt"

// Bits of fsType in table OS/2 (ISO/IEC 14496-22, 5.1.8).
const (
	restrictedLicence = 0x0002
	previewAndPrint   = 0x0004
	editable          = 0x0008
	noSubsetting      = 0x0100
	bitmapsOnly       = 0x0200
)

// checkLicence refuses a font whose licence bits forbid embedding a subset of its outlines. If
// several of the first bits are set, the least restrictive one counts.
func (p *program) checkLicence() error {
	os2 := p.tables["OS/2"]
	if len(os2) < 10 {
		return nil
	}
	bits := u16(os2[8:])
	forbidden := ""
	switch {
	case bits&restrictedLicence != 0 && bits&(previewAndPrint|editable) == 0:
		forbidden = "embedding"
	case bits&noSubsetting != 0:
		forbidden = "embedding of a subset"
	case bits&bitmapsOnly != 0:
		forbidden = "embedding of outlines"
	}
	if forbidden != "" {
		return fmt.Errorf("its licence bits (fsType 0x%04x in table OS/2) forbid %s", bits, forbidden)
	}
	return nil
}
