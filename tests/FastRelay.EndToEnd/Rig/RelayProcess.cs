using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;

namespace FastRelay.EndToEnd.Rig;

/// <summary>
/// The published binary under test, in a folder of its own. The configuration is a template in which
/// <c>{folder}</c>, <c>{smtp}</c> and <c>{admin}</c> stand for what this process was given.
/// </summary>
public sealed class RelayProcess : IDisposable
{
    private static readonly HttpClient s_http = new();
    private readonly StringBuilder _log = new();
    private readonly string _config;
    private Process? _process;

    public RelayProcess(string config, string? folder = null, IPAddress? address = null)
    {
        Folder = folder ?? Place.NewFolder("relay");
        Directory.CreateDirectory(Folder);
        Address = address ?? IPAddress.Loopback;
        Port = Place.FreePort();
        AdminPort = Place.FreePort();
        _config = Path.Combine(Folder, "fastrelay.toml");
        File.WriteAllText(_config, config
            .Replace("{folder}", Folder, StringComparison.Ordinal)
            .Replace("{smtp}", $"{Address}:{Port}", StringComparison.Ordinal)
            .Replace("{admin}", $"127.0.0.1:{AdminPort}", StringComparison.Ordinal));
    }

    public string Folder { get; }

    public string ConfigFile => _config;

    public IPAddress Address { get; }

    public int Port { get; }

    public int AdminPort { get; }

    /// <summary>The relay's own process, also when a wrapper such as strace runs it.</summary>
    public int Pid { get; private set; }

    public bool HasExited => _process!.HasExited;

    public int ExitCode => _process!.ExitCode;

    public string Log
    {
        get
        {
            lock (_log)
            {
                return _log.ToString();
            }
        }
    }

    /// <summary>A configuration for MX delivery by a name server of the test's.</summary>
    public static string MxConfig(NsdServer dns, int remotePort, string extra = "") => $$"""
        hostname = "relay.test"
        spool = "{folder}/spool"
        [[listen]]
        address = "{smtp}"
        [[relay_for]]
        networks = ["127.0.0.0/8"]
        [dns]
        servers = ["127.0.0.1:{{dns.Port}}"]
        timeout = "2s"
        [queue]
        retry = ["1s", "2s"]
        expire = "1h"
        [deliver]
        port = {{remotePort}}
        allow_private = true
        [admin]
        http = "{admin}"
        {{extra}}
        """;

    /// <summary>A configuration that sends everything to one host.</summary>
    public static string SmarthostConfig(IPEndPoint sink, string extra = "") => $$"""
        hostname = "relay.test"
        spool = "{folder}/spool"
        [[listen]]
        address = "{smtp}"
        [[relay_for]]
        networks = ["127.0.0.0/8"]
        [queue]
        retry = ["1s", "2s"]
        expire = "1h"
        [[route]]
        domain = "*"
        to = "smtp:[{{sink.Address}}]:{{sink.Port}}"
        [admin]
        http = "{admin}"
        {{extra}}
        """;

    /// <summary>Starts it (again) and waits for its greeting.</summary>
    public RelayProcess Start(string? wrapper = null, params string[] wrapperArguments)
    {
        string[] own = ["serve", "--config", _config];
        _process = wrapper is null
            ? Tool.Start(Place.Binary, own, Folder)
            : Tool.Start(wrapper, [.. wrapperArguments, Place.Binary, .. own], Folder);
        Follow(_process.StandardOutput);
        Follow(_process.StandardError);
        _process.StandardInput.Close();
        Tool.Until(() => _process.HasExited || Greets(), 30, () => $"no greeting on {Address}:{Port}\n{Log}");
        Assert.False(_process.HasExited, $"the relay stopped at once:\n{Log}");
        Pid = wrapper is null ? _process.Id : ChildOf(_process.Id);
        return this;
    }

    /// <summary>SIGTERM, and waits for the end.</summary>
    public int Stop(int timeoutSeconds = 45)
    {
        if (!_process!.HasExited)
        {
            Signal("TERM");
        }
        Assert.True(_process.WaitForExit(timeoutSeconds * 1000), $"still running {timeoutSeconds} s after SIGTERM\n{Log}");
        return _process.ExitCode;
    }

    /// <summary>SIGKILL.</summary>
    public void Kill()
    {
        _process!.Kill(entireProcessTree: true);
        _process.WaitForExit();
        // Below a wrapper the relay is a grandchild, which is not waited for: its lock goes when it has gone.
        Tool.Until(() => Pid == 0 || IsGone(Pid), 20, () => $"process {Pid} outlives its SIGKILL");
    }

    public void Signal(string name) => Tool.Run("kill", [$"-{name}", Pid.ToString(System.Globalization.CultureInfo.InvariantCulture)]).Ok();

    /// <summary>Runs a command of the binary with this relay's configuration.</summary>
    public ToolResult Command(params string[] arguments) => Tool.Run(Place.Binary, [.. arguments, "--config", _config]);

    /// <summary>How many messages the queue holds, asked with the command line.</summary>
    public int QueueCount()
    {
        ToolResult result = Command("queue", "list", "--count").Ok();
        return int.Parse(result.Output.Trim(), System.Globalization.CultureInfo.InvariantCulture);
    }

    /// <summary>A figure of the metrics page, by its name without the prefix.</summary>
    public long Figure(string name)
    {
        string page = "";
        // The greeting comes first at a start, the admin a moment later.
        Tool.Until(() => (page = Metrics()).Length > 0, 20, () => $"no metrics on port {AdminPort}\n{Log}");
        return long.Parse(Regex.Match(page, $@"^fastrelay_{name} (\d+)", RegexOptions.Multiline).Groups[1].Value, System.Globalization.CultureInfo.InvariantCulture);
    }

    private string Metrics()
    {
        try
        {
            return s_http.GetStringAsync(new Uri($"http://127.0.0.1:{AdminPort}/metrics")).GetAwaiter().GetResult();
        }
        catch (HttpRequestException)
        {
            return "";
        }
    }

    public void WaitForEmptyQueue(int timeoutSeconds = 30) =>
        Tool.Until(() => QueueCount() == 0, timeoutSeconds, () => $"queue not empty\n{Command("queue", "list").Output}\n{Log}");

    /// <summary>A figure of /proc/PID/status in KiB, as in RssAnon.</summary>
    public long StatusKiB(string key)
    {
        string text = File.ReadAllText($"/proc/{Pid}/status");
        return long.Parse(Regex.Match(text, $@"^{key}:\s+(\d+)", RegexOptions.Multiline).Groups[1].Value, System.Globalization.CultureInfo.InvariantCulture);
    }

    public SmtpTalk Talk() => new(Address, Port);

    public void Dispose()
    {
        if (_process is { HasExited: false })
        {
            Kill();
        }
        _process?.Dispose();
        try
        {
            Directory.Delete(Folder, recursive: true);
        }
        catch (IOException)
        {
            // A mount below it is the owner's to remove.
        }
    }

    private static bool IsGone(int pid)
    {
        try
        {
            // A zombie whose other threads are gone too: until then its files are open (proc(5): state, num_threads).
            string[] facts = File.ReadAllText($"/proc/{pid}/stat").Split(')')[^1].Split(' ', StringSplitOptions.RemoveEmptyEntries);
            return (facts[0] is "Z" or "X") && (facts[17] is "0" or "1");
        }
        catch (IOException)
        {
            return true;
        }
    }

    private static int ChildOf(int pid) =>
        int.Parse(File.ReadAllText($"/proc/{pid}/task/{pid}/children").Split(' ')[0], System.Globalization.CultureInfo.InvariantCulture);

    private bool Greets()
    {
        try
        {
            using var talk = new SmtpTalk(Address, Port);
            return talk.Read().StartsWith("220", StringComparison.Ordinal);
        }
        catch (Exception e) when (e is SocketException or IOException)
        {
            return false;
        }
    }

    private void Follow(StreamReader reader)
    {
        var thread = new Thread(() =>
        {
            while (reader.ReadLine() is { } line)
            {
                lock (_log)
                {
                    _log.AppendLine(line);
                    if (_log.Length > 40_000_000)
                    {
                        _log.Remove(0, 20_000_000);
                    }
                }
            }
        })
        { IsBackground = true };
        thread.Start();
    }
}
