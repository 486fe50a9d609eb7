// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {ERC20} from "solady/tokens/ERC20.sol";
import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {LibClone} from "solady/utils/LibClone.sol";
import {LibString} from "solady/utils/LibString.sol";
import {SafeCastLib} from "solady/utils/SafeCastLib.sol";
import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";
import {IComputeLease} from "interfaces/IComputeLease.sol";
import {IRevenueSplitter} from "interfaces/IRevenueSplitter.sol";

/// @title The revenue of one capacity, split
/// @notice See IRevenueSplitter for the whole documentation.
/// @dev A clone; what is its own for good (`Self`) stands behind its code.
contract RevenueSplitter is IRevenueSplitter, ERC20 {
    using FixedPointMathLib for uint256;
    using LibString for uint256;
    using SafeCastLib for uint256;
    using SafeTransferLib for address;

    uint256 internal constant BPS = 1e4;

    /// @dev What never changes, ABI-encoded behind the clone's code by the factory.
    struct Self {
        uint256 capacity;
        address stablecoin;
        uint256 supply;
    }

    /// @dev What every entry point reads: one word. `direct` is the revenue that came by plain
    /// transfer; the rest is what the lease engine says.
    struct Books {
        uint120 paid;
        uint120 direct;
        uint16 sharesBps;
    }

    struct LegAccount {
        address recipient;
        uint16 bps;
        uint256 paid;
    }

    /// @inheritdoc IRevenueSplitter
    address public immutable FACTORY;
    /// @inheritdoc IRevenueSplitter
    IComputeLease public immutable LEASE;

    Books internal _books;
    LegAccount[] internal _legs;

    /// @dev What a holder is due, times the supply, is shares × index + correction: exact, whatever
    /// moved in between. With b(I) the shares held when the index stood at I, all that was ever due
    /// is ∫ b dI / supply, and correction = ∫ b dI − paid × supply − shares × index. The integral
    /// lies in 0 … supply × index and payments never exceed it, so |correction| ≤ supply × index;
    /// the supply is below 2^90 and revenue below 2^121 (120 bits here and in the engine).
    mapping(address holder => int256) internal _corrections;

    /// @notice Safety rests on: the factory keeps its bounds; the engine's `earnedOf` never falls,
    /// and it counts a release before it moves the money; the stablecoin moves exactly what it
    /// says. Liveness rests on: the stablecoin lets the engine and this contract pay.
    /// @param lease The engine that owes the rent of all capacities.
    constructor(IComputeLease lease) {
        FACTORY = msg.sender;
        LEASE = lease;
    }

    /// @inheritdoc IRevenueSplitter
    function initialize(address holder, Leg[] calldata newLegs) external {
        require(msg.sender == FACTORY, NotFactory(msg.sender));
        _requireReceiver(holder);

        uint256 bps;
        for (uint256 i; i < newLegs.length; ++i) {
            Leg calldata leg = newLegs[i];
            _requireReceiver(leg.recipient);
            bps += leg.bps;
            _legs.push(LegAccount({recipient: leg.recipient, bps: leg.bps, paid: 0}));
        }
        _books.sharesBps = uint16(BPS - bps); // at most 10^4
        // Without a correction: revenue from before the splitter was made is the first holder's.
        _mint(holder, _self().supply);
    }

    // ------------------------------------------------------------------ paying out

    /// @inheritdoc IRevenueSplitter
    function claim(address to) external returns (uint256 amount) {
        return _claim(msg.sender, to);
    }

    /// @inheritdoc IRevenueSplitter
    function claimFor(address holder) external returns (uint256 amount) {
        return _claim(holder, holder);
    }

    function _claim(address holder, address to) internal returns (uint256 amountDown) {
        _requireReceiver(to);
        Self memory self = _self();
        Books memory books = _books;
        amountDown = _dueDown(self, holder, _indexDown(self, books));
        if (amountDown == 0) return 0;

        _corrections[holder] -= int256(amountDown * self.supply);
        emit DividendClaimed(holder, to, amountDown);
        _pay(self, books, to, amountDown);
    }

    /// @inheritdoc IRevenueSplitter
    function claimLeg(uint256 leg, address to) external returns (uint256 amountDown) {
        LegAccount storage account = _ownLeg(leg);
        _requireReceiver(to);
        Self memory self = _self();
        Books memory books = _books;
        amountDown = _legDueDown(account, _received(self, books));
        if (amountDown == 0) return 0;

        account.paid += amountDown;
        emit LegClaimed(leg, to, amountDown);
        _pay(self, books, to, amountDown);
    }

    /// @dev The balance only tells whether there is a need to pull, never what is owed. The engine
    /// is asked in need only, so that what is here can be claimed whatever becomes of it.
    function _pay(Self memory self, Books memory books, address to, uint256 amount) internal {
        books.paid = (books.paid + amount).toUint120();
        _books = books;
        if (self.stablecoin.balanceOf(address(this)) < amount) LEASE.release(self.capacity);
        self.stablecoin.safeTransfer(to, amount);
    }

    /// @inheritdoc IRevenueSplitter
    function moveLeg(uint256 leg, address to) external {
        LegAccount storage account = _ownLeg(leg);
        _requireReceiver(to);
        account.recipient = to;
        emit LegMoved(leg, msg.sender, to);
    }

    // ------------------------------------------------------------------ taking in

    /// @inheritdoc IRevenueSplitter
    function sync() external returns (uint256 amount) {
        Self memory self = _self();
        Books memory books = _books;
        (, uint256 released) = LEASE.revenueOf(self.capacity);
        // All that ever came in is here or has been paid out. What was paid may exceed what has
        // been counted as come in, if it was taken from money that is found only now.
        uint256 cameIn = self.stablecoin.balanceOf(address(this)) + books.paid;
        amount = cameIn.zeroFloorSub(released + books.direct);
        if (amount == 0) return 0;

        _books.direct = (books.direct + amount).toUint120();
        emit Synced(amount);
    }

    // ------------------------------------------------------------------ shares

    /// @dev Shares take with them no dividend from before: what they would bring the receiver goes
    /// to the sender's correction, to the last fraction.
    function _beforeTokenTransfer(address from, address to, uint256 amount) internal override {
        if (from == address(0)) return; // the one mint
        _requireReceiver(to);
        // Within bounds if the sender has the shares; if not, the transfer reverts right after.
        unchecked {
            int256 earlier = int256(amount * dividendIndex());
            _corrections[from] += earlier;
            _corrections[to] -= earlier;
        }
    }

    /// @inheritdoc ERC20
    function name() public view override returns (string memory) {
        return string.concat("Derrick Capacity ", _self().capacity.toString(), " Revenue");
    }

    /// @inheritdoc ERC20
    function symbol() public view override returns (string memory) {
        return string.concat("dCAP-", _self().capacity.toString());
    }

    /// @dev Nobody may move a holder's shares without its own approval, Permit2 neither.
    function _givePermit2InfiniteAllowance() internal pure override returns (bool) {
        return false;
    }

    // ------------------------------------------------------------------ what is due

    /// @inheritdoc IRevenueSplitter
    function claimable(address holder) external view returns (uint256) {
        return _dueDown(_self(), holder, dividendIndex());
    }

    /// @inheritdoc IRevenueSplitter
    function legClaimable(uint256 leg) external view returns (uint256) {
        return _legDueDown(_legAt(leg), _received(_self(), _books));
    }

    /// @inheritdoc IRevenueSplitter
    function dividendIndex() public view returns (uint256) {
        return _indexDown(_self(), _books);
    }

    /// @inheritdoc IRevenueSplitter
    function totals() external view returns (uint256 received, uint256 paid) {
        return (_received(_self(), _books), _books.paid);
    }

    /// @inheritdoc IRevenueSplitter
    function legOf(uint256 leg) external view returns (Leg memory) {
        LegAccount storage account = _legAt(leg);
        return Leg({recipient: account.recipient, bps: account.bps});
    }

    /// @inheritdoc IRevenueSplitter
    function legs() external view returns (uint256 count, uint256 bps) {
        return (_legs.length, BPS - _books.sharesBps);
    }

    /// @inheritdoc IRevenueSplitter
    function CAPACITY_ID() external view returns (uint256) {
        return _self().capacity;
    }

    /// @inheritdoc IRevenueSplitter
    function STABLECOIN() external view returns (address) {
        return _self().stablecoin;
    }

    function _self() internal view returns (Self memory) {
        return abi.decode(LibClone.argsOnClone(address(this)), (Self));
    }

    /// @dev Never negative, see `_corrections`.
    function _dueDown(
        Self memory self,
        address holder,
        uint256 index
    ) internal view returns (uint256) {
        int256 due = int256(balanceOf(holder) * index) + _corrections[holder];
        return uint256(due).rawDiv(self.supply);
    }

    function _legDueDown(
        LegAccount storage account,
        uint256 received
    ) internal view returns (uint256) {
        return received.mulDiv(account.bps, BPS) - account.paid;
    }

    /// @dev The shares' part is rounded down once for all: the legs' own, each rounded down too,
    /// never exceed the rest.
    function _indexDown(Self memory self, Books memory books) internal view returns (uint256) {
        return _received(self, books).mulDiv(books.sharesBps, BPS);
    }

    function _received(Self memory self, Books memory books) internal view returns (uint256) {
        return LEASE.earnedOf(self.capacity) + books.direct;
    }

    function _legAt(uint256 leg) internal view returns (LegAccount storage) {
        require(leg < _legs.length, UnknownLeg(leg, _legs.length));
        return _legs[leg];
    }

    function _ownLeg(uint256 leg) internal view returns (LegAccount storage account) {
        account = _legAt(leg);
        require(msg.sender == account.recipient, NotLegRecipient(leg, msg.sender));
    }

    function _requireReceiver(address receiver) internal view {
        require(receiver != address(0) && receiver != address(this), BadReceiver(receiver));
    }
}
