using System.CommandLine;
using System.Globalization;
using System.Net;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using FastRelay.Config;
using FastRelay.Load;
using FastRelay.Smtp;

namespace FastRelay.Host.Commands;

/// <summary>A value on the command line of the load tester that makes no sense; the message says what would.</summary>
internal sealed class LoadUsageException(string message) : Exception(message);

/// <summary>Reads the values of the load tester's command line.</summary>
internal static class LoadText
{
    /// <summary>Source addresses that are kept of a network.</summary>
    private const int SourcesMax = 65_534;

    /// <summary>Recipients of a message, and those that a spread makes.</summary>
    public const int RecipientsMax = 1_000_000;

    private const long SizeMax = 512L << 20;

    /// <summary>An option of a few words; the first is the default.</summary>
    public static Option<string> Choice(string name, params string[] words)
    {
        var option = new Option<string>(name) { Description = string.Join(", ", words) + $"; default {words[0]}", HelpName = "WORD", DefaultValueFactory = _ => words[0] };
        option.AcceptOnlyFromAmong(words);
        return option;
    }

    /// <summary>A duration in ms; 0 for null.</summary>
    public static long Duration(string option, string? text) =>
        text is null ? 0
        : ConfigText.TryParseDuration(text, out long ms) && ms is > 0 and < int.MaxValue ? ms
        : throw new LoadUsageException($"{option} {text}: must be a time with its unit, as in 30s or 500ms, up to 24 days");

    /// <summary>A number with a lower bound.</summary>
    public static long AtLeast(string option, long value, long least) =>
        value >= least ? value : throw new LoadUsageException($"{option} {value}: must be at least {least}");

    /// <summary>A number with two bounds.</summary>
    public static long Within(string option, long value, long least, long most) =>
        value >= least && value <= most ? value : throw new LoadUsageException($"{option} {value}: must be {least} to {most}");

    /// <summary>A TCP port; 0 for any.</summary>
    public static int Port(string option, int value) => (int)Within(option, value, 0, IPEndPoint.MaxPort);

    /// <summary>Addresses and networks.</summary>
    public static List<IPAddress> Sources(IReadOnlyList<string> texts)
    {
        var all = new List<IPAddress>();
        foreach (string text in texts)
        {
            if (ConfigText.TryParseAddress(text, out IPAddress? address))
            {
                all.Add(address!);
            }
            else if (ConfigText.TryParseNetwork(text, out IPNetwork network, out string error) && network.BaseAddress.AddressFamily == System.Net.Sockets.AddressFamily.InterNetwork)
            {
                Add(all, network);
            }
            else
            {
                throw new LoadUsageException($"--source {text}: {(error.Length > 0 ? error : "must be an IPv4 network")}");
            }
        }
        return all;
    }

    /// <summary>A mailbox; empty for the null path.</summary>
    public static string Mailbox(string option, string text) =>
        text.Length <= 254 && text.All(c => c is > ' ' and <= '~' and not ('<' or '>')) ? text
        : throw new LoadUsageException($"{option} {text}: must be an address without brackets, as in user@example.com");

    /// <summary>Mailboxes, with <c>{}</c> spread over numbers.</summary>
    public static List<string> Recipients(IReadOnlyList<string> texts, int spread)
    {
        var all = new List<string>();
        foreach (string text in texts)
        {
            int count = text.Contains("{}", StringComparison.Ordinal) ? spread : 1;
            for (int i = 0; i < count && all.Count < RecipientsMax; i++)
            {
                all.Add(Mailbox("--to", text.Replace("{}", i.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal)));
            }
        }
        return all;
    }

    /// <summary>One size, a range, or a mix with weights.</summary>
    public static SizeMix Sizes(string text)
    {
        var shares = new List<SizeShare>();
        foreach (string part in text.Split(','))
        {
            string[] halves = part.Split(':');
            double weight = 1;
            if (halves.Length > 2 || (halves.Length == 2 && !(double.TryParse(halves[1], NumberStyles.Float, CultureInfo.InvariantCulture, out weight) && weight > 0)))
            {
                throw new LoadUsageException($"--size {part}: must be a size and a weight above 0, as in 4KiB:70");
            }
            string[] ends = halves[0].Split('-');
            long from = Size(ends[0]);
            long to = ends.Length == 2 ? Size(ends[1]) : from;
            if (ends.Length > 2 || to < from)
            {
                throw new LoadUsageException($"--size {part}: must be a range from less to more, as in 1KiB-100KiB");
            }
            shares.Add(new SizeShare(from, to, weight));
        }
        return new SizeMix(shares);
    }

    /// <summary>Files, and the <c>*.eml</c> of folders, in stored form.</summary>
    public static List<byte[]> Files(IReadOnlyList<string> paths)
    {
        var all = new List<byte[]>();
        try
        {
            foreach (string path in paths)
            {
                IEnumerable<string> files = Directory.Exists(path) ? Directory.EnumerateFiles(path, "*.eml").Order(StringComparer.Ordinal) : [path];
                all.AddRange(files.Select(file => Stored(File.ReadAllBytes(file))));
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new LoadUsageException($"--eml: {e.Message}");
        }
        return paths.Count > 0 && all.Count == 0 ? throw new LoadUsageException("--eml: no *.eml there") : all;
    }

    /// <summary>What the client says of TLS.</summary>
    /// <param name="host">Name or address: sent to the server (a name only), and what its certificate has to be valid for.</param>
    /// <param name="verify">It has to be valid.</param>
    public static SslClientAuthenticationOptions Tls(string host, bool verify)
    {
        var options = new SslClientAuthenticationOptions
        {
            TargetHost = host,
            CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
        };
        if (!verify)
        {
            // A load test measures a server; whose certificate it has is another question (--verify asks it).
#pragma warning disable CA5359
            options.RemoteCertificateValidationCallback = (_, _, _, _) => true;
#pragma warning restore CA5359
        }
        return options;
    }

    /// <summary>The response of AUTH PLAIN (RFC 4616 2).</summary>
    public static string AuthPlain(string user, string? password) =>
        password is null ? throw new LoadUsageException("--auth: the password is taken from FASTRELAY_LOAD_PASSWORD, which is not set")
        : Convert.ToBase64String(Encoding.UTF8.GetBytes($"\0{user}\0{password}"));

    private static long Size(string text)
    {
        if (!ConfigText.TryParseSize(text, out long bytes) && !long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out bytes))
        {
            throw new LoadUsageException($"--size {text}: must be a size, as in 4KiB, 10MiB or 4096");
        }
        return bytes is > 0 and <= SizeMax ? bytes : throw new LoadUsageException($"--size {text}: must be 1B to {ConfigText.FormatSize(SizeMax)}");
    }

    private static void Add(List<IPAddress> all, IPNetwork network)
    {
        Span<byte> octets = stackalloc byte[4];
        network.BaseAddress.TryWriteBytes(octets, out _);
        uint first = System.Buffers.Binary.BinaryPrimitives.ReadUInt32BigEndian(octets);
        long count = 1L << (32 - network.PrefixLength);
        // The first and the last address of a network are not a host's.
        long from = count > 2 ? 1 : 0;
        long to = count > 2 ? count - 1 : count;
        for (long i = from; i < to && all.Count < SourcesMax; i++)
        {
            System.Buffers.Binary.BinaryPrimitives.WriteUInt32BigEndian(octets, first + (uint)i);
            all.Add(new IPAddress(octets));
        }
    }

    private static byte[] Stored(byte[] content)
    {
        var encoder = default(DotEncoder);
        var stored = new byte[(content.Length * 2) + 16];
        encoder.Encode(content, stored, out _, out int written);
        encoder.Finish(stored.AsSpan(written), out int last);
        return stored[..(written + last)];
    }
}
