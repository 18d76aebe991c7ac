using System.Reflection;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace FastRelay.Host;

/// <summary>
/// What <c>fastrelay --version</c> says. OpenSSL is inside the binary, so an operator who reads an OpenSSL advisory
/// must be able to ask the binary which release it carries.
/// </summary>
public static class Versions
{
    /// <summary>The release of FastRelay itself, such as <c>0.1.0</c>.</summary>
    public static string Product { get; } =
        typeof(Versions).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion;

    /// <summary>The .NET runtime in the binary, such as <c>.NET 10.0.12</c>.</summary>
    public static string Runtime => RuntimeInformation.FrameworkDescription;

    /// <summary>The OpenSSL release that TLS uses, asked from the library itself, such as <c>OpenSSL 3.0.22</c>.</summary>
    public static string OpenSsl => OpenSslName(SafeEvpPKeyHandle.OpenSslVersion);

    /// <summary>One name and version a line: the product, the runtime, OpenSSL; no newline at the end.</summary>
    public static string Text()
        => $"fastrelay {Product}\n{Runtime} ({RuntimeInformation.RuntimeIdentifier})\n{OpenSsl}";

    /// <summary>Reads OpenSSL 3's version number, 0xMNN00PP0: major, minor, patch.</summary>
    /// <param name="number">What OPENSSL_VERSION_NUMBER holds.</param>
    internal static string OpenSslName(long number)
        => $"OpenSSL {number >> 28}.{(number >> 20) & 0xff}.{(number >> 4) & 0xff}";
}
