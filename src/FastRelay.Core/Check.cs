using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace FastRelay;

/// <summary>
/// Assertions about our own code that stay on in production. A peer's bytes and the environment's failures are
/// results, never checks: a failed check means a defect of ours, and a relay that has lost track of its own state
/// stops and recovers from its journal rather than guess.
/// </summary>
public static class Check
{
    /// <summary>Called with the message before the process stops; the host writes it to standard error.</summary>
    public static Action<string>? OnFatal { get; set; }

    /// <summary>Throws <see cref="CheckFailedException"/> when <paramref name="condition"/> is false.</summary>
    // Inlined, so that a check that holds costs a compare and not the passing of three strings.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void That(
        [DoesNotReturnIf(false)] bool condition,
        [CallerArgumentExpression(nameof(condition))] string expression = "",
        [CallerFilePath] string file = "",
        [CallerLineNumber] int line = 0)
    {
        if (!condition)
        {
            Fail(expression, file, line);
        }
    }

    /// <summary>Stops the process at once: for broken state that must not be acted upon (journal, queue ownership).</summary>
    [DoesNotReturn]
    public static void Fatal(string message)
    {
        OnFatal?.Invoke(message);
        Environment.FailFast(message);
        throw new UnreachableException();
    }

    [DoesNotReturn]
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Fail(string expression, string file, int line) =>
        throw new CheckFailedException($"check failed: {expression} at {Path.GetFileName(file)}:{line}");
}

/// <summary>A broken invariant of our own; see <see cref="Check"/>.</summary>
public sealed class CheckFailedException(string message) : Exception(message);
