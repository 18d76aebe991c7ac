using System.Security.Cryptography;
using System.Text;

namespace FastRelay.Host.Admin;

/// <summary>
/// The page for people, one file without any other: it asks /api by itself. What runs in it is named by its digest, so that
/// nothing that came by mail could run there, should it ever get in as markup.
/// </summary>
public static class StatusPage
{
    private static readonly byte[] s_page = Load();

    /// <summary>HTML.</summary>
    public static ReadOnlyMemory<byte> Page => s_page;

    /// <summary>The Content-Security-Policy that goes with it.</summary>
    public static string Policy { get; } =
        $"default-src 'none'; style-src 'unsafe-inline'; script-src '{DigestOfScript()}'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

    private static byte[] Load()
    {
        using Stream stream = typeof(StatusPage).Assembly.GetManifestResourceStream("status.html") ?? throw new InvalidOperationException("status.html is not in the program");
        using var page = new MemoryStream();
        stream.CopyTo(page);
        return page.ToArray();
    }

    private static string DigestOfScript()
    {
        string text = Encoding.UTF8.GetString(s_page);
        int first = text.IndexOf("<script>", StringComparison.Ordinal) + "<script>".Length;
        int last = text.IndexOf("</script>", first, StringComparison.Ordinal);
        return "sha256-" + Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(text[first..last])));
    }
}
