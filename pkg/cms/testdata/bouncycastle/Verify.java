import java.nio.file.Files;
import java.nio.file.Path;
import java.security.Security;
import java.util.Arrays;
import java.util.Collection;
import org.bouncycastle.asn1.ASN1Encoding;
import org.bouncycastle.asn1.ASN1InputStream;
import org.bouncycastle.asn1.ASN1Primitive;
import org.bouncycastle.asn1.cms.AttributeTable;
import org.bouncycastle.asn1.ess.ESSCertIDv2;
import org.bouncycastle.asn1.ess.SigningCertificateV2;
import org.bouncycastle.asn1.nist.NISTObjectIdentifiers;
import org.bouncycastle.asn1.pkcs.PKCSObjectIdentifiers;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cms.CMSProcessableByteArray;
import org.bouncycastle.cms.CMSSignedData;
import org.bouncycastle.cms.SignerInformation;
import org.bouncycastle.cms.jcajce.JcaSimpleSignerInfoVerifierBuilder;
import org.bouncycastle.jce.provider.BouncyCastleProvider;

/** Verifies each SignedData named on the command line over the content in the first argument; prints "good" or a reason for each. */
public final class Verify {
    public static void main(String[] args) throws Exception {
        Security.addProvider(new BouncyCastleProvider());
        byte[] content = Files.readAllBytes(Path.of(args[0]));
        for (String file : Arrays.copyOfRange(args, 1, args.length)) {
            System.out.println(file + " " + check(Files.readAllBytes(Path.of(file)), content));
        }
    }

    private static String check(byte[] der, byte[] content) {
        try (ASN1InputStream in = new ASN1InputStream(der)) {
            ASN1Primitive object = in.readObject();
            if (in.read() != -1 || !Arrays.equals(der, object.getEncoded(ASN1Encoding.DER))) {
                return "is not DER";
            }
            CMSSignedData data = new CMSSignedData(new CMSProcessableByteArray(content), der);
            Collection<SignerInformation> signers = data.getSignerInfos().getSigners();
            if (signers.size() != 1) {
                return "has not one signer";
            }
            SignerInformation signer = signers.iterator().next();
            X509CertificateHolder certificate =
                (X509CertificateHolder) data.getCertificates().getMatches(signer.getSID()).iterator().next();
            AttributeTable attributes = signer.getSignedAttributes();
            SigningCertificateV2 ess = SigningCertificateV2.getInstance(
                attributes.get(PKCSObjectIdentifiers.id_aa_signingCertificateV2).getAttributeValues()[0]);
            ESSCertIDv2 id = ess.getCerts()[0];
            String hash = id.getHashAlgorithm().getAlgorithm().equals(NISTObjectIdentifiers.id_sha256) ? "SHA-256"
                : id.getHashAlgorithm().getAlgorithm().equals(NISTObjectIdentifiers.id_sha384) ? "SHA-384" : "SHA-512";
            if (!Arrays.equals(id.getCertHash(), java.security.MessageDigest.getInstance(hash).digest(certificate.getEncoded()))) {
                return "names another certificate";
            }
            return signer.verify(new JcaSimpleSignerInfoVerifierBuilder().setProvider("BC").build(certificate))
                ? "good" : "does not verify";
        } catch (Exception e) {
            return "failed: " + e;
        }
    }
}
