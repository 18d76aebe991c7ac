using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace FastRelay.EndToEnd.Rig.Servers;

/// <summary>How a receiving server is set up.</summary>
public sealed record MailServerOptions
{
    /// <summary>Where it sends what it takes, so that a test sees it.</summary>
    public required IPEndPoint Sink { get; init; }

    /// <summary>PEM files of its certificate; null for a server without TLS.</summary>
    public string? CertificateFile { get; init; }

    /// <summary>And of the key.</summary>
    public string? KeyFile { get; init; }

    /// <summary>Whose certificates of clients it asks for and verifies, PEM; null to ask for none.</summary>
    public string? ClientAuthorityFile { get; init; }

    /// <summary>It takes nothing from a client that has none.</summary>
    public bool DemandsCertificate { get; init; }

    /// <summary>Octets of a message at most.</summary>
    public int MessageBytes { get; init; } = 100 << 20;
}

/// <summary>A real mail server that takes mail on 127.0.0.1 and relays it to a sink. It refuses <see cref="Refused"/> at RCPT.</summary>
public abstract class MailServer : IDisposable
{
    /// <summary>The recipient whom every server refuses.</summary>
    public const string Refused = "refused@chain.test";

    private readonly StringBuilder _said = new();
    private Process? _process;

    protected MailServer(string name, int port = 0)
    {
        Name = name;
        Port = port > 0 ? port : Place.FreePort();
        Folder = Place.NewFolder(name);
    }

    /// <summary>postfix, exim or opensmtpd.</summary>
    public string Name { get; }

    /// <summary>All that it writes is in here.</summary>
    public string Folder { get; }

    /// <summary>SMTP, with STARTTLS where it has a certificate.</summary>
    public int Port { get; }

    /// <summary>TLS from the first octet, where it has a certificate.</summary>
    public int TlsPort { get; } = Place.FreePort();

    public IPEndPoint EndPoint => new(IPAddress.Loopback, Port);

    /// <summary>What it has to say about itself.</summary>
    public virtual string Log
    {
        get
        {
            lock (_said)
            {
                return _said.ToString();
            }
        }
    }

    /// <summary>A server by its name.</summary>
    public static MailServer Start(string name, MailServerOptions options) => name switch
    {
        "postfix" => new PostfixServer(options),
        "exim" => new EximServer(options),
        _ => new OpenSmtpdServer(options),
    };

    public void Dispose()
    {
        End("TERM");
        if (_process is { } process && !process.WaitForExit(10_000))
        {
            process.Kill(entireProcessTree: true);
            process.WaitForExit();
        }
        End("KILL");
        _process?.Dispose();
        Directory.Delete(Folder, recursive: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Starts it and waits for its greeting.</summary>
    /// <param name="program">It must become the leader of a process group, in which all that it starts is ended.</param>
    /// <param name="arguments">Its arguments.</param>
    protected void Run(string program, IEnumerable<string> arguments)
    {
        _process = Tool.Start(program, arguments);
        Follow(_process.StandardOutput);
        Follow(_process.StandardError);
        Tool.Until(() => _process.HasExited || Greets(), 30, () => $"{Name} does not greet\n{Log}");
        Assert.False(_process.HasExited, $"{Name} stopped\n{Log}");
    }

    /// <summary>A handshake with it succeeds. Debian 12's OpenSMTPD 6.8.0p2 fails each one, whoever asks, with the OpenSSL 3 that it is built for.</summary>
    public bool SpeaksTls()
    {
        try
        {
            using var talk = new SmtpTalk(IPAddress.Loopback, TlsPort);
            return talk.Secure().Read().StartsWith("220", StringComparison.Ordinal);
        }
        catch (Exception e) when (e is IOException or System.Security.Authentication.AuthenticationException)
        {
            return false;
        }
    }

    private void End(string signal)
    {
        if (_process is not null)
        {
            Tool.Run("kill", [$"-{signal}", "--", $"-{_process.Id}"]);
        }
    }

    private void Follow(StreamReader reader) => new Thread(() =>
    {
        while (reader.ReadLine() is { } line)
        {
            lock (_said)
            {
                _said.AppendLine(line);
            }
        }
    })
    { IsBackground = true }.Start();

    private bool Greets()
    {
        try
        {
            using var talk = new SmtpTalk(IPAddress.Loopback, Port);
            return talk.Read().StartsWith("220", StringComparison.Ordinal);
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
