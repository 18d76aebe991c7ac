using System.Net.Security;
using System.Security.Cryptography;

namespace FastRelay.Routing;

/// <summary>
/// Who we are to hosts that ask for a certificate in the handshake (RFC 8446 4.3.2, RFC 5246 7.4.4): a certificate with its
/// chain and its key, of which only the certificate is ever shown. Routes and plans hold the object, so that a file that is
/// renewed counts from the next handshake on and no plan is made anew. Loop thread only.
/// </summary>
public sealed class ClientCertificate
{
    /// <summary>Makes one.</summary>
    /// <param name="file">The file that it was read from: connections are shared by routes that name the same one.</param>
    /// <param name="context">Certificate, chain and key. Made offline: nothing is ever fetched.</param>
    public ClientCertificate(string file, SslStreamCertificateContext context)
    {
        File = file;
        Context = context;
    }

    /// <summary>The file of the certificate, its identity for routes and sites.</summary>
    public string File { get; }

    /// <summary>What a handshake shows to a host that asks.</summary>
    public SslStreamCertificateContext Context { get; private set; }

    /// <summary>Whose it is, as in <c>CN=relay.example.net</c>.</summary>
    public string Subject => Context.TargetCertificate.Subject;

    /// <summary>Until when it is valid, UTC.</summary>
    public DateTime EndsUtc => Context.TargetCertificate.NotAfter.ToUniversalTime();

    /// <summary>The file as a word of a key: printable ASCII without spaces, and of another file always another word.</summary>
    internal string Word => string.Concat(File.Select(static c => c is > ' ' and <= '~' and not '%' ? c.ToString() : FormattableString.Invariant($"%{(int)c:X4}")));

    /// <summary>True when another is of the same file and shows the same certificates.</summary>
    public bool IsSame(ClientCertificate? other) => other is not null && other.File == File
        && Shown(other.Context).SequenceEqual(Shown(Context));

    /// <summary>The file was renewed: handshakes from now on show what it holds now.</summary>
    /// <param name="newer">Of the same file.</param>
    public void Renew(ClientCertificate newer)
    {
        Check.That(newer.File == File);
        Context = newer.Context;
    }

    private static IEnumerable<string> Shown(SslStreamCertificateContext context) =>
        context.IntermediateCertificates.Prepend(context.TargetCertificate).Select(static one => one.GetCertHashString(HashAlgorithmName.SHA256));
}
