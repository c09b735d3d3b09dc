// Package velocity renders the text templates of visible signatures: the references of the Apache
// Velocity Template Language.
//
// Known references; each getter may also be written as a property ($certificate.commonName for
// $certificate.getCommonName()):
//
//	$certificate.getCommonName()              the subject's common name, else its organisation,
//	                                          else the whole subject
//	$certificate.getSubject()                 the subject as in RFC 2253; also getSubjectDN()
//	$certificate.getOrganization(), getOrganizationalUnit(), getOrganizationIdentifier(),
//	    getCountry(), getLocality(), getTitle(), getGivenName(), getSurname(), getEmail(),
//	    getSubjectSerialNumber()
//	$certificate.getIssuer()                  the issuer as in RFC 2253; also getIssuerDN()
//	$certificate.getIssuerCommonName(), getIssuerOrganization()
//	$certificate.getSerialNumber()            decimal
//	$certificate.getSerialNumberHex()
//	$certificate.getNotBefore(), getNotAfter()   dates
//	$date                                     the claimed signing time; also $signature.getDate()
//	$reason, $location                        as in the request; also $signature.getReason(),
//	                                          $signature.getLocation()
//
// A date prints as yyyy-MM-dd HH:mm:ss z. $date.format('dd/MM/yyyy') and $date.format('HH:mm',
// 'Europe/Lisbon') print it in another form, with the letters y M d E a H h m s S z Z X of Java's
// SimpleDateFormat and English names. Every text has toUpperCase(), toLowerCase() and toString().
//
// A reference has the form $x.y, ${x.y}, $!x.y or $!{x.y}. As in Velocity, an unknown reference is
// printed unchanged, and its quiet form with the exclamation mark prints nothing. A known reference
// after a backslash is printed unchanged, without the backslash. ## and #* *# are comments. Unlike
// in Velocity, a known reference without a value prints nothing, for example $reason if there is no
// reason. Directives (#set, #if …) are not supported and are printed unchanged.
//
// A line feed starts a new line, and so do the two characters \n. Control characters in values
// become blanks, so that no certificate can add lines.
package velocity
