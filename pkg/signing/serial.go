package signing

import (
	"math/big"
	"strings"
)

// Serial returns the serial number of the signing certificate in hexadecimal: two upper-case digits
// for each byte, as "openssl x509 -serial" prints it.
func (c *Credential) Serial() string {
	n := c.Certificate().SerialNumber
	digits := strings.ToUpper(new(big.Int).Abs(n).Text(16))
	if len(digits)%2 == 1 {
		digits = "0" + digits
	}
	if n.Sign() < 0 {
		digits = "-" + digits
	}
	return digits
}
