using System.Diagnostics;
using System.Text;

namespace FastRelay.EndToEnd.Rig;

/// <summary>What a program came to.</summary>
public sealed record ToolResult(int ExitCode, string Output, string Error)
{
    /// <summary>Fails the test with all that the program said unless it exited with 0.</summary>
    public ToolResult Ok()
    {
        Assert.True(ExitCode == 0, $"exit code {ExitCode}\n{Output}\n{Error}");
        return this;
    }
}

/// <summary>Runs programs.</summary>
public static class Tool
{
    public static ToolResult Run(string program, IEnumerable<string> arguments, string? input = null, int timeoutSeconds = 120, string? folder = null)
    {
        using Process process = Start(program, arguments, folder);
        var output = new StringBuilder();
        var error = new StringBuilder();
        process.OutputDataReceived += (_, e) => { if (e.Data is not null) { lock (output) { output.AppendLine(e.Data); } } };
        process.ErrorDataReceived += (_, e) => { if (e.Data is not null) { lock (error) { error.AppendLine(e.Data); } } };
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        if (input is not null)
        {
            process.StandardInput.Write(input);
        }
        process.StandardInput.Close();
        if (!process.WaitForExit(timeoutSeconds * 1000))
        {
            process.Kill(entireProcessTree: true);
            process.WaitForExit();
            return new ToolResult(-1, output.ToString(), $"{error}\n{program}: killed after {timeoutSeconds} s");
        }
        process.WaitForExit();
        return new ToolResult(process.ExitCode, output.ToString(), error.ToString());
    }

    public static Process Start(string program, IEnumerable<string> arguments, string? folder = null)
    {
        var start = new ProcessStartInfo(program)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = folder ?? Path.GetTempPath(),
        };
        foreach (string argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }
        return Process.Start(start)!;
    }

    /// <summary>Polls until the condition holds; fails with the message after the time.</summary>
    public static void Until(Func<bool> condition, int timeoutSeconds, Func<string> message)
    {
        var watch = Stopwatch.StartNew();
        while (!condition())
        {
            if (watch.Elapsed.TotalSeconds > timeoutSeconds)
            {
                Assert.Fail(message());
            }
            Thread.Sleep(20);
        }
    }
}
