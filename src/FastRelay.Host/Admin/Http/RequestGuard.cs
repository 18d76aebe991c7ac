using System.Net;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace FastRelay.Host.Admin;

/// <summary>
/// Keeps web pages away from the admin. A browser on this host can be made to send requests here: by a name that an
/// attacker's DNS turns to a loopback address (then Host is not ours), or from a page of another site. A request that shows the
/// token may come by any name, a proxy's with TLS for one: no page of another site can put it in a header. Nothing is changed
/// without the token, also where there is none and everybody may read.
/// </summary>
/// <param name="address">Where the admin listens.</param>
/// <param name="hostName">The relay's own name.</param>
/// <param name="token">What whoever asks has to show (RFC 6750 2.1); null lets everybody read, and nobody change anything.</param>
public sealed class RequestGuard(IPEndPoint address, string hostName, string? token = null)
{
    /// <summary>What is shorter is no token of ours, and may be a part of any word.</summary>
    private const int TokenCharacters = 16;

    private volatile byte[]? _digest = DigestOf(token);

    /// <summary>Another token is asked for from now on; any thread.</summary>
    /// <param name="renewed">16 to 256 characters.</param>
    public void Renew(string renewed) => _digest = DigestOf(renewed);

    /// <summary>
    /// Null when a request by the unix socket may go on: no browser can be made to use one, and the file's permissions have
    /// said who may.
    /// </summary>
    public static (int Status, string Reason)? RefuseLocal(HttpRequest request) =>
        HttpMethods.IsGet(request.Method) || HttpMethods.IsHead(request.Method) || HttpMethods.IsPost(request.Method) ? null : WrongMethod;

    /// <summary>Null when a request by the address may go on; else the status and the reason.</summary>
    public (int Status, string Reason)? Refuse(HttpRequest request)
    {
        byte[]? digest = _digest;
        bool known = digest is not null && HasToken(request, digest);
        if (digest is null && !IsOurs(request.Host.Host))
        {
            return (StatusCodes.Status403Forbidden, $"\"{request.Host.Host}\" is no name of this admin: ask for localhost, {hostName} or its address, or configure a token");
        }
        // Browsers say so themselves, and no page can keep them from it (Fetch Metadata). A link to the page is all right.
        if (string.Equals(request.Headers["Sec-Fetch-Site"], "cross-site", StringComparison.OrdinalIgnoreCase) && !(HttpMethods.IsGet(request.Method) && request.Path == "/"))
        {
            return (StatusCodes.Status403Forbidden, "a page of another site may not ask here");
        }
        if (digest is not null && !known && !IsOpen(request.Path))
        {
            return (StatusCodes.Status401Unauthorized, request.Headers.Authorization.Count > 0
                ? "the token shown is not the admin's: that is the first line of admin.token_file as it is now"
                : "the admin's token is asked for: Authorization: Bearer, with the first line of admin.token_file");
        }
        if (HttpMethods.IsGet(request.Method) || HttpMethods.IsHead(request.Method))
        {
            return null;
        }
        if (!HttpMethods.IsPost(request.Method))
        {
            return WrongMethod;
        }
        if (!known)
        {
            // Whoever has an account here reaches a loopback address; the socket's file says who may.
            return (StatusCodes.Status403Forbidden, "a change needs the admin's credential, and this relay has no token: set admin.token_file, or ask by its socket (admin.socket), as the commands do");
        }
        string type = request.ContentType ?? "";
        int end = type.IndexOf(';', StringComparison.Ordinal);
        return string.Equals((end < 0 ? type : type[..end]).Trim(), "application/json", StringComparison.OrdinalIgnoreCase)
            ? null
            : (StatusCodes.Status415UnsupportedMediaType, "a change is asked for with Content-Type: application/json");
    }

    /// <summary>A text for the log: what the asker showed as its token is masked in it, should it be there.</summary>
    public static string WithoutToken(HttpRequest request, string text)
    {
        string shown = request.Headers.Authorization.ToString();
        string token = shown[(shown.LastIndexOf(' ') + 1)..];
        return token.Length < TokenCharacters ? text : text.Replace(token, "***", StringComparison.Ordinal);
    }

    private static (int Status, string Reason) WrongMethod => (StatusCodes.Status405MethodNotAllowed, "GET, HEAD or POST");

    // Health is for load balancers, and the page itself holds no data.
    private static bool IsOpen(PathString path) => path == "/healthz" || path == "/readyz" || path == "/";

    private static byte[]? DigestOf(string? token) => token is null ? null : SHA256.HashData(Encoding.ASCII.GetBytes(token));

    private static bool HasToken(HttpRequest request, byte[] digest)
    {
        const string bearer = "Bearer ";
        string shown = request.Headers.Authorization.ToString();
        return shown.StartsWith(bearer, StringComparison.OrdinalIgnoreCase)
            && CryptographicOperations.FixedTimeEquals(SHA256.HashData(Encoding.UTF8.GetBytes(shown[bearer.Length..])), digest);
    }

    private bool IsOurs(string host)
    {
        if (host.Equals("localhost", StringComparison.OrdinalIgnoreCase) || host.Equals(hostName, StringComparison.OrdinalIgnoreCase))
        {
            return true;
        }
        if (!IPAddress.TryParse(host.Trim('[', ']'), out IPAddress? literal))
        {
            return false;
        }
        // Nobody's DNS stands between a literal and us; on all addresses any literal that got here is one of ours.
        bool any = address.Address.Equals(IPAddress.Any) || address.Address.Equals(IPAddress.IPv6Any);
        return IPAddress.IsLoopback(literal) || literal.Equals(address.Address) || any;
    }
}
