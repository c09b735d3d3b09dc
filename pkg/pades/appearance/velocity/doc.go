// Package velocity renders the text templates of visible signatures: the references of the Apache
// Velocity Template Language.
//
// Known references; each getter may also be written as a property ($certificate.commonName for
// $certificate.getCommonName()):
//
//	$certificate.getCommonName()              the subject's common name, else its organisation, else the whole subject
//	$certificate.getSubject()                 the subject as in RFC 2253; also getSubjectDN()
//	$certificate.getOrganization(), getOrganizationalUnit(), getOrganizationIdentifier(), getCountry(), getLocality(),
//	    getTitle(), getGivenName(), getSurname(), getEmail(), getSubjectSerialNumber()
//	$certificate.getIssuer()                  the issuer as in RFC 2253; also getIssuerDN()
//	$certificate.getIssuerCommonName(), getIssuerOrganization()
//	$certificate.getSerialNumber()            decimal
//	$certificate.getSerialNumberHex()
//	$certificate.getNotBefore(), getNotAfter()   dates
//	$date                                     the claimed signing time; also $signature.getDate()
//	$reason, $location                        as in the request; also $signature.getReason(), $signature.getLocation()
//
// A date prints as yyyy-MM-dd HH:mm:ss z; $date.format('dd/MM/yyyy') and $date.format('HH:mm',
// 'Europe/Lisbon') print it otherwise, with the letters y M d E a H h m s S z Z X of Java's
// SimpleDateFormat and English names. Any text has toUpperCase(), toLowerCase() and toString().
//
// Forms are $x.y, ${x.y}, $!x.y and $!{x.y}. As in Velocity an unknown reference is printed as it
// stands, or not at all in its quiet form with the exclamation mark; a backslash before a known one
// prints it as it stands; ## and #* *# are comments. Unlike in Velocity a known reference without a
// value, such as $reason where there is no reason, prints nothing. Directives (#set, #if …) are no
// references: they are printed as they stand.
//
// A line feed begins a new line, as do the two characters \n. Control characters inside of values
// become blanks, so that no certificate can add lines of its own.
package velocity
