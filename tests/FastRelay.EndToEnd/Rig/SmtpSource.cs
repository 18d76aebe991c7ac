using System.Diagnostics;
using System.Net;

namespace FastRelay.EndToEnd.Rig;

/// <summary>Postfix's load source. Each message has its own Message-Id.</summary>
public static class SmtpSource
{
    public static Process Start(IPAddress address, int port, int messages, int sessions = 64, int bytes = 4096, string to = "user@volume.test", bool reuse = true, params string[] more)
    {
        string[] arguments =
        [
            .. reuse ? new[] { "-d" } : [],
            "-c", "-s", $"{sessions}", "-m", $"{messages}", "-l", $"{bytes}", "-f", "source@volume.test", "-t", to, .. more, $"{address}:{port}",
        ];
        Process process = Tool.Start(Needs.Program("smtp-source"), arguments);
        _ = process.StandardOutput.BaseStream.CopyToAsync(Stream.Null);
        return process;
    }

    /// <summary>Runs it to its end.</summary>
    public static void Run(IPAddress address, int port, int messages, int sessions = 64, int bytes = 4096, string to = "user@volume.test", bool reuse = true, int timeoutSeconds = 400)
    {
        using Process process = Start(address, port, messages, sessions, bytes, to, reuse);
        Task<string> error = process.StandardError.ReadToEndAsync();
        if (!process.WaitForExit(timeoutSeconds * 1000))
        {
            process.Kill();
            Assert.Fail($"smtp-source did not end in {timeoutSeconds} s");
        }
        Assert.True(process.ExitCode == 0, error.Result);
    }
}
